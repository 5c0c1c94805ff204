"""A mistake of the user ends in one sentence and exit code 2."""

import json
from pathlib import Path

import pytest
import torch
from running import (
    FINETUNE,
    PRETRAIN,
    cfg_options,
    config,
    finetune_options,
    pretrain_options,
    run_tool,
)

from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.probe import run_probe
from mmgl.apis.training import run_training

CASES = {
    'unknown key of a component': (
        {'model.backbone.dpeth': 18},
        "no argument 'dpeth' (did you mean 'depth'?)",
    ),
    'unknown key of a transform': (
        {'train_dataloader.dataset.pipeline.2.crop_siez': '[96,48]'},
        "did you mean 'crop_size'?",
    ),
    'unknown component': (
        {'model.backbone.type': 'TwoStreamResnet'},
        "did you mean 'TwoStreamResNet'?",
    ),
    'missing data root': (
        {'train_dataloader.dataset.data_root': 'nowhere/at/all'},
        "no folder 'nowhere/at/all'",
    ),
    'wrong type': (
        {'model.backbone.last_stride': 'one'},
        "last_stride of TwoStreamResNet must be int, got 'one'",
    ),
    'value out of range': (
        {'model.backbone.depth': 19},
        'TwoStreamResNet needs depth as one of (18, 34, 50, 101), got 19',
    ),
    'batch size of the sampler': (
        {'train_dataloader.batch_size': 24},
        'train_dataloader.sampler.batch_size is 16',
    ),
    'more workers than any machine': (
        {'train_dataloader.num_workers': 10**12},
        'train_dataloader.num_workers=1000000000000: this machine has',
    ),
    'unknown split': (
        {'train_dataloader.dataset.split': 'trian'},
        'split must be one of train',
    ),
    'no stripes to shuffle': (
        {'val_dataloader.dataset.pipeline.2.num_stripes': 1},
        'num_stripes must be a whole number above 1',
    ),
}


def only_sentence(code, text):
    """The one line of an error, checked to be one."""
    assert code == 2
    lines = [line for line in text.splitlines() if line.startswith('error')]
    assert len(lines) == 1, text
    assert lines[0].startswith('error: ')
    assert 'Traceback' not in text
    return lines[0]


@pytest.mark.parametrize('case', CASES)
def test_mistake_in_the_config(case, tiny_sysu, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    changes, words = CASES[case]
    options = dict(pretrain_options(tiny_sysu), **changes)
    with pytest.raises(SystemExit) as stopped:
        run_training([config(PRETRAIN), *cfg_options(options)])
    text = capsys.readouterr().err
    assert words in only_sentence(stopped.value.code, text)


def test_mistake_seen_from_the_shell(tmp_path):
    """The same through the program itself; takes three seconds."""
    done = run_tool('train.py', config(PRETRAIN), cwd=tmp_path)
    line = only_sentence(done.returncode, done.stdout)
    assert "there is no folder 'data/synthetic/mini'" in line
    assert 'make_synthetic.py' in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['--init', 'mgml'], '--init must be one of imagenet, mmgl, random'),
        (['--init', 'mmgl'], '--init-checkpoint'),
        (
            ['--init', 'mmgl', '--init-checkpoint', 'no.pth'],
            "no file 'no.pth'",
        ),
        (['--resume', 'no.pth'], "no file 'no.pth'"),
    ],
)
def test_mistake_in_the_options(
    arguments, words, tiny_sysu, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run_training(
            [
                config(FINETUNE),
                *arguments,
                *cfg_options(finetune_options(tiny_sysu)),
            ]
        )
    text = capsys.readouterr().err
    assert words in only_sentence(stopped.value.code, text)


@pytest.mark.parametrize('number', [3, 11, 13, 395])
def test_number_of_classes(number, tiny_sysu, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = finetune_options(tiny_sysu)
    options['model.heads.id.num_classes'] = number
    with pytest.raises(SystemExit) as stopped:
        run_training([config(FINETUNE), *cfg_options(options)])
    line = only_sentence(stopped.value.code, capsys.readouterr().err)
    assert f'model.heads.id.num_classes is {number}, but train_data' in line
    assert 'set model.heads.id.num_classes=12' in line


def test_validation_persons_seen_in_training(
    tiny_sysu, tmp_path, monkeypatch, capsys
):
    """The usual fine-tuning trains on the persons of ``val_test``."""
    monkeypatch.chdir(tmp_path)
    options = finetune_options(tiny_sysu, iters=1)
    run_training(
        [config(FINETUNE), '--work-dir', 'run', *cfg_options(options)]
    )
    options['test_dataloader.dataset.split'] = 'val_test'
    with pytest.raises(SystemExit) as stopped:
        run_evaluation(
            [config(FINETUNE), 'run/epoch_1.pth', *cfg_options(options)]
        )
    line = only_sentence(stopped.value.code, capsys.readouterr().err)
    words = "trained on split 'trainval' and has seen 4 of the 4"
    assert words in line and '--allow-seen' in line
    options['test_evaluator.out'] = 'metric.json'
    options['test_evaluator.shots'] = '[1]'
    allowed = ['--allow-seen', '--out', 'test.json', *cfg_options(options)]
    run_evaluation([config(FINETUNE), 'run/epoch_1.pth', *allowed])
    read = [
        json.loads(Path(p).read_text()) for p in ('metric.json', 'test.json')
    ]
    assert all(words in one['settings']['seen'] for one in read)

    probe = [config(FINETUNE), 'run/epoch_1.pth', '--data-root', tiny_sysu]
    probe += ['--cfg-options', 'model.backbone.base_channels=8']
    with pytest.raises(SystemExit) as stopped:
        run_probe(probe)
    line = only_sentence(stopped.value.code, capsys.readouterr().err)
    assert words in line and '--allow-seen' in line
    [found] = run_probe([*probe[:-2], '--allow-seen', *probe[-2:]])
    assert words in found['seen']
    assert 'run (seen in training)' in capsys.readouterr().out


def test_missing_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wrong = 'configs/mmgl/finetune/agw_r50_64-81e_syssu.py'
    with pytest.raises(SystemExit) as stopped:
        run_training([wrong])
    line = only_sentence(stopped.value.code, capsys.readouterr().err)
    assert "did you mean 'configs/mmgl/finetune/agw_r50_64-81e_sysu.py'" in (
        line
    )


def test_checkpoint_of_another_model(
    pretrained, tiny_sysu, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    options = finetune_options(tiny_sysu)
    with pytest.raises(SystemExit) as stopped:
        run_evaluation(
            [
                config(FINETUNE),
                str(pretrained.checkpoint),
                *cfg_options(options),
            ]
        )
    line = only_sentence(stopped.value.code, capsys.readouterr().err)
    assert 'does not fit the model' in line and 'neck.' in line


@pytest.mark.parametrize(
    'content, arguments, words',
    [
        (None, ['--init', 'imagenet'], 'is damaged or no checkpoint'),
        ({'a': 1}, ['--init', 'imagenet'], 'does not fit model.backbone'),
        ({'state_dict': {}}, ['--init', 'mmgl'], 'has no state_dict of'),
    ],
)
def test_wrong_weights(
    content, arguments, words, tiny_sysu, tmp_path, monkeypatch, capsys
):
    """The Runner opens them when all is built and it begins to train."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'wrong.pth'
    path.write_text('x')
    if content is not None:
        torch.save(dict(content, a=torch.zeros(1)), path)
    options = cfg_options(finetune_options(tiny_sysu))
    arguments += ['--init-checkpoint', str(path), *options]
    with pytest.raises(SystemExit) as stopped:
        run_training([config(FINETUNE), *arguments])
    line = only_sentence(stopped.value.code, capsys.readouterr().err)
    assert words in line


def test_an_error_in_the_middle_keeps_its_traceback(toy_config, monkeypatch):
    calls = []

    def get_item(self, index):
        calls.append(index)
        if len(calls) > 8:
            raise RuntimeError('the disk is gone')
        return dict(inputs=self.data[index])

    config = toy_config()
    monkeypatch.setattr('toy.ToyDataset.__getitem__', get_item)
    with pytest.raises(RuntimeError, match='the disk is gone'):
        run_training([config])
    calls += [0] * 8
    with pytest.raises(SystemExit, match='2'):
        run_training([config])


def test_initial_weights_of_another_width(
    pretrained, tiny_sysu, tmp_path, monkeypatch, capsys
):
    """They are read when the training starts, after all is built."""
    monkeypatch.chdir(tmp_path)
    options = dict(
        finetune_options(tiny_sysu), **{'model.backbone.base_channels': 4}
    )
    with pytest.raises(SystemExit) as stopped:
        run_training(
            [
                config(FINETUNE),
                '--init',
                'mmgl',
                '--init-checkpoint',
                str(pretrained.checkpoint),
                *cfg_options(options),
            ]
        )
    line = only_sentence(stopped.value.code, capsys.readouterr().err)
    assert 'does not fit model.backbone' in line and 'another shape' in line

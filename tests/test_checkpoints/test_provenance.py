from pathlib import Path

import pytest
import torch
import toy
from torch.utils.data import ConcatDataset, Subset

from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.training import run_training
from mmgl.checkpoints import reader
from mmgl.checkpoints.export import export_backbone
from mmgl.checkpoints.fit import load_backbone
from mmgl.checkpoints.provenance import (
    check_seen,
    entries_of,
    initial_files,
    read_meta,
    seen_by,
)
from mmgl.checkpoints.reader import read_checkpoint
from mmgl.checkpoints.whole import check_state, load_checkpoint
from mmgl.evaluation.documents import read_report
from mmgl.utils.errors import ConfigError

REGDB_2 = dict(trained_on=dict(dataset='regdb', trial=2))
SYSU = dict(trained_on=dict(dataset='sysu', split='trainval', num_pids=395))
SEEN = dict(dataset='sysu', split='train', pids=[3, 5, 8])


@pytest.mark.parametrize(
    'meta, scored',
    [
        (REGDB_2, dict(dataset='regdb', trial=2)),
        (REGDB_2, dict(dataset='sysu')),
        (REGDB_2, dict(dataset='other', trial=3)),
        (SYSU, dict(dataset='regdb', trial=1)),
        (SYSU, dict(dataset='sysu', split='test')),
        (dict(seen=[SEEN]), dict(dataset='sysu', split='test', pids=[4, 6])),
        (dict(seen=[SEEN]), dict(dataset='other', split='test', pids=[3])),
        # Looked at without labels in pre-training.
        (
            dict(seen=[dict(SEEN, labels=False)]),
            dict(dataset='sysu', split='train', pids=[3, 5, 8]),
        ),
        (dict(epoch=3), dict(dataset='regdb', trial=1)),
        (dict(seen=3, trained_on='x', dataset_meta=[]), SEEN),
        (dict(seen=[dict(dataset='sysu', pids=['a'])]), SEEN),
        ({}, dict(dataset='regdb', trial=1)),
    ],
)
def test_fitting_or_unknown_data(meta, scored):
    assert check_seen(seen_by(meta), [scored], 'a.pth') is None


@pytest.mark.parametrize(
    'meta, scored, words',
    [
        (
            REGDB_2,
            dict(dataset='regdb', trial=1),
            'a.pth was trained on trial 2 of regdb, this is trial 1',
        ),
        (
            SYSU,
            dict(dataset='sysu', split='val_test', pids=[2]),
            "trained on split 'trainval' and has seen identities of split "
            "'val_test' of sysu",
        ),
        (SYSU, dict(dataset='sysu', split='val'), "'val' of sysu"),
        (
            dict(dataset_meta=dict(SYSU['trained_on'], pids=[3, 8]), **SYSU),
            dict(dataset='sysu', split='val_test', pids=[8, 9]),
            "split 'trainval' and has seen 1 of the 2 identities",
        ),
        (
            dict(seen=[SEEN, dict(SEEN, pids=[1])]),
            dict(dataset='sysu', split='test', pids=[1, 2, 7]),
            '1 of the 3 identities',
        ),
        (
            dict(seen=[dict(SEEN, labels=False)]),
            dict(dataset='sysu', split='test', pids=[3]),
            '1 of the 1 identities',
        ),
        (
            dict(seen=[dict(SEEN, labels=True)]),
            dict(dataset='sysu', split='train', pids=[3, 5, 8]),
            '3 of the 3 identities',
        ),
    ],
)
def test_seen_data(meta, scored, words):
    with pytest.raises(ConfigError, match=f'{words}.*; .*--allow-seen'):
        check_seen(seen_by(meta), [scored], 'a.pth')
    assert words in f'{check_seen(seen_by(meta), [scored], "a.pth", True)}'


def test_data_sets_made_of_others():
    one, two = toy.ToyDataset(3, pids=[1]), toy.ToyDataset(4, pids=[2])
    joined = ConcatDataset([Subset(one, [0, 1]), one, two])
    assert [entry['pids'] for entry in entries_of(joined)] == [[1], [2]]
    assert entries_of([1, 2], labels=True) == [dict(labels=True)]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(2, 3)
        self.heads = torch.nn.Linear(3, 4)


def test_state_must_cover_the_model():
    model, state = Model(), Model().state_dict()
    check_state(model, state, 'a.pth')
    check_state(model, {f'module.{k}': v for k, v in state.items()}, 'a.pth')
    # Classifiers are not used in testing.
    check_state(
        model, {k: v for k, v in state.items() if 'body' in k}, 'a.pth'
    )
    with pytest.raises(ConfigError, match=r'1 missing: body.bias'):
        check_state(
            model,
            {k: v for k, v in state.items() if k != 'body.bias'},
            'a.pth',
        )
    state['body.weight'] = torch.zeros(3, 5)
    with pytest.raises(ConfigError, match=r'\(3, 5\) instead of \(3, 2\)'):
        check_state(model, state, 'a.pth')


def test_unreadable_checkpoints(tmp_path):
    path = tmp_path / 'a.pth'
    with pytest.raises(ConfigError, match='no file'):
        read_checkpoint(path)
    path.write_text('text')
    with pytest.raises(ConfigError, match='damaged or no checkpoint'):
        read_checkpoint(path)
    torch.save(dict(weights=1), path)
    with pytest.raises(ConfigError, match='no state_dict'):
        read_checkpoint(path)


TRIALS = {1: ([1, 2, 3, 4], [5, 6, 7, 8]), 2: ([3, 4, 5, 6], [1, 2, 7, 8])}


def test_every_file_a_model_starts_from():
    model = torch.nn.Sequential(Model(), Model(), Model())
    model.init_from = dict(kind='mmgl', checkpoint='a.pth')
    model[0].init_cfg = dict(type='Pretrained', checkpoint='b.pth')
    model[1].init_cfg = [dict(type='Xavier'), dict(checkpoint='c.pth')]
    model[2].init_cfg = model[2].init_from = None
    assert initial_files(model) == ['a.pth', 'b.pth', 'c.pth']


def trial(number):
    """Config of a trial; it trains on test identities of the other one."""
    train, test = TRIALS[number]
    return f"""
train_dataloader['dataset'].update(trial={number}, pids={train})
test_dataloader['dataset'].update(trial={number}, split='test', pids={test})
"""


def refused(attempt, capsys, *words):
    """Fail in one sentence, and pass with the option."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        attempt()
    assert caught.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ') and '--allow-seen' in error
    assert all(word in error for word in words)
    return attempt('--allow-seen')


def starts(checkpoint, folder):
    """Arguments of every way to start from a checkpoint."""
    return dict(
        init=['--init', 'mmgl', '--init-checkpoint', checkpoint],
        load_from=['--cfg-options', f'load_from={checkpoint}'],
        resume=['--resume', '--work-dir', str(Path(checkpoint).parent)],
        path=['--resume', checkpoint],
        key=['--work-dir', str(folder), '--cfg-options', 'resume=True'],
    )


@pytest.mark.parametrize('start', starts('', ''))
def test_history_goes_through_every_start(toy_config, tmp_path, capsys, start):
    first, other = (toy_config(trial(n), f'{n}.py') for n in (2, 1))
    short = ['--cfg-options', 'train_cfg.max_epochs=1']
    run_training([first, *short])
    folder = tmp_path / 'work_dirs/2'
    checkpoint = str(folder / 'epoch_1.pth')
    arguments = [other, *starts(checkpoint, folder)[start]]
    if '--cfg-options' not in arguments:
        arguments.append('--cfg-options')
    arguments.append('train_cfg.max_epochs=2')
    trained = refused(
        lambda *a: run_training(arguments[:1] + [*a] + arguments[1:]),
        capsys,
        f'checkpoint {checkpoint}',
        'trained on trial 2 of regdb, this is trial 1',
    )
    new = str(Path(trained.work_dir) / 'epoch_2.pth')
    meta = read_meta(new)
    assert meta['trained_on']['trial'] == 1
    assert [one['trial'] for one in seen_by(meta)] == [2, 1]
    assert all(one['labels'] for one in meta['seen'])
    # It says trial 1, and has seen the test identities of trial 1.
    refused(lambda *a: run_evaluation([other, new, *a]), capsys, 'on trial 2')


def test_numbers_of_seen_identities_are_marked(toy_config, tmp_path, capsys):
    config = toy_config(trial(1))
    run_training([config, '--cfg-options', 'train_cfg.max_epochs=1'])
    checkpoint = str(tmp_path / 'work_dirs/toy_config/epoch_1.pth')
    out = tmp_path / 'metrics.json'
    run_evaluation([config, checkpoint, '--out', str(out)])
    assert read_report(out)[1]['seen'] is None
    other = toy_config(trial(2), 'other.py')
    for option in ('--allow-seen', '--allow-trial-mismatch'):
        run_evaluation([other, checkpoint, '--out', str(out), option])
        seen = read_report(out)[1]['seen']
        assert 'trained on trial 1 of regdb' in seen
    log = next((tmp_path / 'work_dirs/other/test').rglob('*.log'))
    assert 'identities seen in training' in log.read_text()


def test_a_run_does_not_validate_on_its_own_identities(toy_config, capsys):
    own = toy_config(
        "train_dataloader['dataset']['pids'] = [1, 2]\n"
        "val_dataloader['dataset'].update(pids=[2, 3], split='test')\n"
    )
    short = ['--cfg-options', 'train_cfg.max_epochs=1']
    refused(
        lambda *a: run_training([own, *short, *a]),
        capsys,
        'the model of this run',
        '1 of the 2 identities',
    )
    run_training([own, '--no-validate', *short])


def test_files_made_of_a_checkpoint_keep_the_history(tmp_path):
    source, out = tmp_path / 'a.pth', tmp_path / 'b.pth'
    state = {'backbone.weight': torch.zeros(2)}
    history = [dict(SEEN, labels=False), dict(dataset='regdb', trial=2)]
    torch.save(dict(state_dict=state, meta=dict(seen=history)), source)
    export_backbone(source, out, dict(epoch=3))
    assert read_meta(out) == dict(seen=history, epoch=3)
    export_backbone(torch.load(out), tmp_path / 'c.pth')
    assert seen_by(read_meta(tmp_path / 'c.pth')) == history
    loads = load_checkpoint, lambda m, f: load_backbone(m.backbone, f, 'mmgl')
    for load in loads:
        model = torch.nn.Module()
        model.backbone = torch.nn.PReLU(2)
        load(model, source)
        export_backbone(model, tmp_path / 'd.pth')
        assert read_meta(tmp_path / 'd.pth') == dict(seen=history)


def test_a_checkpoint_is_read_once(tmp_path, monkeypatch):
    path, read = tmp_path / 'a.pth', []
    state = {'backbone.weight': torch.ones(2)}
    torch.save(dict(state_dict=state, meta=dict(seen=[SEEN])), path)
    once = reader._read
    monkeypatch.setattr(reader, '_read', lambda *a: read.append(a) or once(*a))
    reader.read_checkpoint(path, again=True)
    assert seen_by(read_meta(path)) == [SEEN]
    assert reader.read_state_dict(path)['backbone.weight'].sum() == 2
    assert seen_by(read_meta(path)) == [SEEN] and len(read) == 1
    assert not reader._kept
    # Another file of that name is another file.
    state = {'backbone.weight': torch.zeros(2)}
    reader.read_checkpoint(path, again=True)
    torch.save(dict(state_dict=state, meta=dict(seen=[])), path)
    assert reader.read_state_dict(path)['backbone.weight'].sum() == 0
    assert read_meta(path) == dict(seen=[])


def test_names_with_and_without_a_wrapper_are_refused(tmp_path):
    path = tmp_path / 'a.pth'
    state = {'weight': torch.ones(1), 'module.weight': torch.zeros(1)}
    torch.save(dict(state_dict=state), path)
    for load in (
        lambda: reader.read_state_dict(path),
        lambda: load_checkpoint(torch.nn.PReLU(1), path),
    ):
        with pytest.raises(ConfigError, match='two tensors each for weight'):
            load()


def test_evaluation_refuses_another_model(toy_config, tmp_path, capsys):
    config = toy_config()
    run_training([config, '--cfg-options', 'train_cfg.max_epochs=1'])
    with pytest.raises(SystemExit):
        run_evaluation(
            [
                config,
                str(tmp_path / 'work_dirs/toy_config/epoch_1.pth'),
                '--cfg-options',
                'model.width=5',
            ]
        )
    assert 'does not fit the model' in capsys.readouterr().err

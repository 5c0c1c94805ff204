"""The ten trials of RegDB train on each other's test identities."""

import pytest
from running import cfg_options, config, finetune_options, pretrain_options

from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.training import run_training

FINETUNE = 'mmgl/finetune/one-stream_r50_64-81e_regdb.py'
PRETRAIN = 'mmgl/pretrain/mmgl_one-stream_r50_96-100e_regdb.py'
# The configs of RegDB are made for 288 x 144 and ResNet-50.
SMALL_MODEL = {'model.backbone.depth': 18}
SIZES = {
    '.dataset.pipeline.1.scale': '(48,96)',
    '.dataset.pipeline.2.crop_size': '(96,48)',
}
# Six figures in either direction.
METRICS = 12


def small(options, trial, evaluation):
    options = dict(options, **SMALL_MODEL)
    for key, value in SIZES.items():
        options[f'train_dataloader{key}'] = value
    options[f'{evaluation}{next(iter(SIZES))}'] = '(48,96)'
    for loader in ('train_dataloader', evaluation):
        options[f'{loader}.dataset.trial'] = trial
    return options


def finetuning(root, trial=1):
    options = small(finetune_options(root, iters=1), trial, 'test_dataloader')
    return dict(options, **{'model.heads.id.num_classes': 6})


def pretraining(root, trial=1):
    return small(pretrain_options(root, iters=1), trial, 'val_dataloader')


def train(leaf, options, work_dir, *arguments):
    run_training(
        [
            config(leaf),
            '--work-dir',
            str(work_dir),
            '--no-validate',
            *arguments,
            *cfg_options(options),
        ]
    )
    return str(work_dir / 'epoch_1.pth')


@pytest.fixture
def trial_1(tiny_regdb, tmp_path):
    return train(
        FINETUNE, finetuning(tiny_regdb), tmp_path / 'fine', '--init', 'random'
    )


def test_test_on_another_trial(trial_1, tiny_regdb, tmp_path, capsys):
    common = [config(FINETUNE), trial_1, '--work-dir', str(tmp_path / 'test')]
    same = cfg_options(finetuning(tiny_regdb, 1))
    other = cfg_options(finetuning(tiny_regdb, 2))
    assert len(run_evaluation([*common, *same])) == METRICS
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        run_evaluation([*common, *other])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('error: ')
    assert 'trained on trial 1 of regdb, this is trial 2' in error
    metrics = run_evaluation([*common, '--allow-trial-mismatch', *other])
    assert len(metrics) == METRICS


def test_fine_tune_from_another_trial(tiny_regdb, tmp_path, capsys):
    source = train(PRETRAIN, pretraining(tiny_regdb), tmp_path / 'pre')
    init = ['--init', 'mmgl', '--init-checkpoint', source]
    train(FINETUNE, finetuning(tiny_regdb, 1), tmp_path / 'same', *init)
    other = finetuning(tiny_regdb, 2)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        train(FINETUNE, other, tmp_path / 'other', *init)
    assert stopped.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert 'trained on trial 1 of regdb, this is trial 2' in error
    train(
        FINETUNE, other, tmp_path / 'allowed', *init, '--allow-trial-mismatch'
    )

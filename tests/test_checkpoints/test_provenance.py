import pytest
import torch
import toy  # noqa: F401

from mmgl.apis.evaluation import run_evaluation
from mmgl.apis.training import run_training
from mmgl.checkpoints.provenance import check_trial
from mmgl.checkpoints.reader import read_checkpoint
from mmgl.checkpoints.whole import check_state
from mmgl.utils.errors import ConfigError

REGDB_2 = dict(trained_on=dict(dataset='regdb', trial=2))


@pytest.mark.parametrize(
    'meta, metainfo',
    [
        (REGDB_2, dict(dataset='regdb', trial=2)),
        (REGDB_2, dict(dataset='sysu')),
        (REGDB_2, dict(dataset='other', trial=3)),
        (
            dict(trained_on=dict(dataset='sysu')),
            dict(dataset='regdb', trial=1),
        ),
        (dict(epoch=3), dict(dataset='regdb', trial=1)),
        (None, dict(dataset='regdb', trial=1)),
    ],
)
def test_fitting_or_unknown_trials(meta, metainfo):
    check_trial(meta, metainfo, 'a.pth')


def test_differing_trials():
    here = dict(dataset='regdb', trial=1)
    with pytest.raises(
        ConfigError, match='a.pth was trained on trial 2.*is trial 1.*--allow'
    ):
        check_trial(REGDB_2, here, 'a.pth')
    check_trial(REGDB_2, here, 'a.pth', allow=True)


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


def test_tools_refuse_another_trial(toy_config, tmp_path, capsys):
    config = toy_config()
    short = ['--cfg-options', 'train_cfg.max_epochs=1']
    run_training([config, *short])
    checkpoint = str(tmp_path / 'work_dirs/toy_config/epoch_1.pth')
    other = toy_config(
        "test_dataloader['dataset']['trial'] = 2\n"
        "train_dataloader['dataset']['trial'] = 2\n",
        'other.py',
    )
    attempts = [
        lambda *a: run_evaluation([other, checkpoint, *a]),
        # Pre-training on another trial saw these test identities as well.
        lambda *a: run_training(
            [
                other,
                '--init',
                'mmgl',
                '--init-checkpoint',
                checkpoint,
                *short,
                *a,
            ]
        ),
    ]
    for attempt in attempts:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            attempt()
        assert caught.value.code == 2
        assert 'trained on trial 1' in capsys.readouterr().err
        attempt('--allow-trial-mismatch')


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

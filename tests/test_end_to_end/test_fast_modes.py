"""The modes for GPUs, by options, on the CPU; each takes some seconds."""

import math

import pytest
import torch
from running import (
    FINETUNE,
    PRETRAIN,
    cfg_options,
    config,
    differences,
    finetune_options,
    free_port,
    load,
    pretrain_options,
    succeed,
)

from mmgl.apis.training import run_training

CHANNELS_FIRST = {'default_hooks.channels_last': None}
COMPILED = {
    'default_hooks.compile.type': 'CompileBackboneHook',
    'default_hooks.compile.backend': 'aot_eager',
}
TF32 = {'env_cfg.tf32': True}


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    precision = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    monkeypatch.chdir(tmp_path)
    yield
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = convolutions


def train(leaf, options, *arguments):
    """Train; returns the loss and a weight of the backbone."""
    runner = run_training(
        [
            config(leaf),
            '--work-dir',
            'run',
            '--no-validate',
            *arguments,
            *cfg_options(options),
        ]
    )
    loss = runner.message_hub.get_scalar('train/loss').data[0][-1]
    assert math.isfinite(loss)
    return loss, runner.model.backbone.layer1[0].conv1.weight


def is_reordered(value):
    return value.is_contiguous(memory_format=torch.channels_last)


def test_fine_tuning_in_each_mode(tiny_sysu):
    options = finetune_options(tiny_sysu, iters=1)
    plain, weight = train(FINETUNE, options | CHANNELS_FIRST)
    assert not is_reordered(weight)
    loss, weight = train(FINETUNE, options)
    assert is_reordered(weight) and loss == pytest.approx(plain, rel=1e-5)
    assert torch.get_float32_matmul_precision() == 'highest'
    loss, _ = train(FINETUNE, options | TF32 | CHANNELS_FIRST)
    assert torch.get_float32_matmul_precision() == 'high'
    assert torch.backends.cudnn.allow_tf32
    # Most processors have no TF32.
    assert loss == pytest.approx(plain, rel=1e-2)
    # With precision and hook in one, on from a checkpoint without them.
    options = options | {'train_cfg.max_epochs': 2}
    _, weight = train(
        FINETUNE, options | COMPILED, '--amp', 'bf16', '--resume'
    )
    assert is_reordered(weight)
    saved = load('run/epoch_2.pth')
    assert saved['meta']['iter'] == 2


@pytest.mark.parametrize(
    'leaf, options',
    [(FINETUNE, finetune_options), (PRETRAIN, pretrain_options)],
)
def test_torchrun_exchanges_gradients_in_their_order(
    leaf, options, tiny_sysu, tmp_path
):
    """One process passes its own on: to the bit what a run alone has."""
    chosen = [config(leaf), *cfg_options(options(tiny_sysu, iters=2))]
    for name, tool in (('one', ['train.py']), ('rank', ['dist_train.sh', 1])):
        words = [*chosen[:1], *tool[1:], '--work-dir', tmp_path / name]
        words += ['--no-validate', *chosen[1:]]
        succeed(tool[0], *words, cwd=tmp_path, PORT=free_port())
    one, rank = (load(tmp_path / f'{n}/epoch_1.pth') for n in ('one', 'rank'))
    for part in ('state_dict', 'optimizer'):
        assert differences(one[part], rank[part]) == []
    weight = rank['state_dict']['backbone.layer1.0.conv1.weight']
    assert is_reordered(weight)


def test_pre_training_in_all_modes(tiny_sysu):
    options = pretrain_options(tiny_sysu, iters=1)
    _, weight = train(PRETRAIN, options | TF32, '--amp', 'bf16')
    assert is_reordered(weight)
    # The next epoch without them.
    options = options | CHANNELS_FIRST | {'train_cfg.max_epochs': 2}
    _, weight = train(PRETRAIN, options, '--resume')
    assert not is_reordered(weight)

"""Mixed precision; each takes two or three seconds."""

import math

import pytest
import torch
from running import (
    FINETUNE,
    PRETRAIN,
    cfg_options,
    config,
    finetune_options,
    pretrain_options,
)

from mmgl.apis.training import run_training


@pytest.mark.parametrize(
    'leaf, options',
    [(PRETRAIN, pretrain_options), (FINETUNE, finetune_options)],
)
def test_step_in_bfloat16(leaf, options, tiny_sysu, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []

    def keep(module, inputs, output):
        seen.append((module.weight.dtype, output.dtype))

    original = torch.nn.Conv2d.__init__

    def hooked(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.register_forward_hook(keep)

    monkeypatch.setattr(torch.nn.Conv2d, '__init__', hooked)
    runner = run_training(
        [
            config(leaf),
            '--work-dir',
            str(tmp_path),
            '--amp',
            'bf16',
            '--no-validate',
            *cfg_options(options(tiny_sysu, iters=1)),
        ]
    )
    assert type(runner.optim_wrapper).__name__ == 'AutocastOptimWrapper'
    # Weights stay in single precision, convolutions work in bfloat16.
    assert set(seen) == {(torch.float32, torch.bfloat16)}
    losses = {
        name: buffer.current()
        for name, buffer in runner.message_hub.log_scalars.items()
        if 'loss' in name
    }
    assert len(losses) >= 3
    assert all(math.isfinite(value) for value in losses.values()), losses
    for name, value in runner.model.state_dict().items():
        assert value.isfinite().all(), name

"""No step of a method waits for the device.

The models run at full size on torch's 'meta' device: it computes nothing, so
whatever would read a value off a device (``item``, ``nonzero``, a mask as
index) cannot work and fails. Copies from the host must be asked for without
waiting.
"""

from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmgl.config.loading import load_config
from mmgl.models.data_preprocessors import LightnessPreprocessor
from mmgl.models.functional import transport
from mmgl.models.heads import variational_distillation_head
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

LEAVES = [
    'finetune/one-stream_r50_64-81e_sysu.py',
    'finetune/agw_r50_64-81e_sysu.py',
    'finetune/ddag_r50_64-81e_sysu.py',
    'finetune/nfs_r50_64-120e_sysu.py',
    'finetune/caj_r50_96-100e_sysu.py',
    'finetune/caj-plus_r50_96-100e_sysu.py',
    'finetune/mutual-info_r50_128-600e_sysu.py',
    'finetune/mutual-info-paper_r50_128-600e_sysu.py',
    'finetune/mpanet_r50_128-140e_sysu.py',
    'pretrain/mmgl_one-stream_r50_96-100e_sysu.py',
    'pretrain/mmgl_two-stream_r50_96-100e_sysu.py',
    'ssl/colorization_two-stream_r50_96-100e_sysu.py',
]
SIZE = 16
STRIPES = 6


class Transfers(TorchDispatchMode):
    """Collects copies between host and device that wait."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        found = tree_leaves((args, kwargs))
        devices = {
            one.device.type for one in found if isinstance(one, torch.Tensor)
        }
        devices |= {one.type for one in found if isinstance(one, torch.device)}
        if 'copy' in str(func) and {'cpu', 'meta'} <= devices:
            # Tensor.copy_(source, non_blocking) has it in third place.
            if not (kwargs.get('non_blocking') or any(args[2:])):
                self.waiting.append(str(func))
        return func(*args, **kwargs)


def targets_on(device):
    number = torch.arange(SIZE, device=device)
    return dict(
        pid=number // 4,
        modality=number % 2,
        camid=1 + number % 2,
        pair=number // 2,
        view=number % 3,
        source=number // 3,
        permutation=torch.zeros(
            SIZE, STRIPES, dtype=torch.long, device=device
        ),
        host_modality=torch.arange(SIZE) % 2,
    )


def run_step(model, targets):
    """Loss and gradient; returns the transfers that wait."""
    images = torch.empty(SIZE, 3, 288, 144, device='meta')
    with Transfers() as transfers:
        if isinstance(model.data_preprocessor, LightnessPreprocessor):
            images, targets['ab'] = model.data_preprocessor.split(images)
        losses = model(images, targets, mode='loss')
        sum(v for k, v in losses.items() if 'loss' in k).backward()
    return transfers.waiting


@pytest.fixture
def on_meta(monkeypatch):
    """Builds the model of a leaf on the device that computes nothing."""
    # There is no autocast for it; those of the losses switch it off anyway.
    monkeypatch.setattr(torch, 'autocast', lambda *_, **__: nullcontext())

    def build(leaf):
        cfg = load_config(config_dir() / 'mmgl' / leaf)
        cfg.model.pop('init_from', None)
        with registry_scope():
            return MODELS.build(cfg.model).train().to('meta')

    return build


@pytest.mark.parametrize('leaf', LEAVES)
def test_step_does_not_wait(leaf, on_meta, monkeypatch):
    # The transports of MutualInfo are looked at every few rounds, to stop in
    # time.
    monkeypatch.setattr(
        transport,
        'sinkhorn_plan',
        lambda cost, *_: (cost.detach(), cost.detach().max()),
    )
    monkeypatch.setattr(
        variational_distillation_head,
        'released_transport_cost',
        lambda first, second: ((first * second).sum(), first.detach().max()),
    )
    model = on_meta(leaf)
    assert run_step(model, targets_on('meta')) == []
    assert all(
        p.grad is not None for p in model.parameters() if p.requires_grad
    )


def test_waiting_is_noticed(on_meta):
    model = on_meta('finetune/agw_r50_64-81e_sysu.py')
    targets = targets_on('meta')
    del targets['host_modality']
    with pytest.raises((NotImplementedError, RuntimeError)):
        run_step(model, targets)
    with Transfers() as transfers:
        torch.ones(2).to('meta')
        torch.ones(2).to('meta', non_blocking=True)
    assert len(transfers.waiting) == 1

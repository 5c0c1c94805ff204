"""A training step on a GPU is that of the processor."""

import pytest
import torch
from distributed_parts import check_same_step, mean_step
from mmengine.optim import build_optim_wrapper
from small_models import MODELS_UNDER_TEST, global_batch

from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope, select_wrapper

OPTIMIZER = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
# Steps that a loss scale, 65536 in the beginning, may take to fit.
MOST_STEPS = 12


def build(name, device):
    """The model with the same weights on any device, and its batch."""
    torch.manual_seed(0)
    model = MODELS.build(MODELS_UNDER_TEST[name]).train().to(device)
    images, samples = global_batch()
    return model, dict(inputs=images, data_samples=samples)


def step(name, device):
    """Losses and gradients, on the host."""
    model, batch = build(name, device)
    losses, grads = mean_step(
        model, model.data_preprocessor(batch, True), world=1
    )
    return losses, {key: value.cpu() for key, value in grads.items()}


@pytest.mark.parametrize('name', list(MODELS_UNDER_TEST))
def test_single_precision(name, device, full_fp32, same_noise):
    losses, grads = step(name, 'cpu')
    assert all(value.isfinite().all() for value in grads.values())
    assert sum(value.abs().sum() for value in grads.values()) > 0
    check_same_step((losses, grads), step(name, device), rel=5e-3)


@pytest.mark.parametrize('kind', ['bf16', 'fp16'])
@pytest.mark.parametrize('name', list(MODELS_UNDER_TEST))
def test_half_precision(name, kind, device, same_noise):
    if kind == 'fp16' and device == 'cpu':
        pytest.skip('fp16 needs a loss scale, which needs a GPU')
    expected, _ = step(name, 'cpu')
    model, batch = build(name, device)
    before = {
        key: value.detach().clone() for key, value in model.named_parameters()
    }
    with registry_scope():
        optim = build_optim_wrapper(model, select_wrapper(OPTIMIZER, kind))
    dtypes = set()
    model.backbone.layer1[0].conv1.register_forward_hook(
        lambda module, inputs, output: dtypes.add(output.dtype)
    )
    first = model.train_step(batch, optim)
    for key, value in expected.items():
        assert first[key].detach().item() == pytest.approx(value, rel=0.05), (
            key
        )
    # A step whose gradients overflow is left out, and the scale halved.
    for _ in range(MOST_STEPS):
        moved = [
            key
            for key, value in model.named_parameters()
            if not torch.equal(value, before[key])
        ]
        if moved:
            break
        model.train_step(batch, optim)
    assert dtypes == {dict(bf16=torch.bfloat16, fp16=torch.float16)[kind]}
    assert {key for key in moved if key.endswith('conv1.weight')}
    for key, value in model.named_parameters():
        assert value.dtype == torch.float32 and value.isfinite().all(), key

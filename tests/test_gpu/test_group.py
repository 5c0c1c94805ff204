"""A group of one process: nccl on a GPU, gloo in the rehearsal."""

import pytest
import torch
import torch.distributed as dist
from distributed_parts import check_same_step
from test_steps import MODELS_UNDER_TEST, build
from torch.nn.parallel import DistributedDataParallel

from mmgl.models.functional import gather


@pytest.fixture
def group(device, tmp_path):
    dist.init_process_group(
        'nccl' if device == 'cuda' else 'gloo',
        rank=0,
        world_size=1,
        init_method=f'file://{tmp_path}/store',
    )
    yield dist.group.WORLD
    dist.destroy_process_group()


def test_exchange_of_rows(group, device):
    # The functions themselves, which are left out where there is one rank.
    x = torch.randn(6, 5, device=device, requires_grad=True)
    labels = torch.arange(6, device=device)
    rows, ids = gather._AllGather.apply(x, labels)
    mean = gather._RankMean.apply(rows)
    weight = torch.randn(6, 5, device=device)
    (mean * weight).sum().backward()
    assert torch.equal(mean, x) and torch.equal(ids, labels)
    assert torch.equal(x.grad, weight)
    assert rows.device.type == ids.device.type == device
    # Shapes are compared on the host, not through the device.
    assert dist.get_backend(gather.host_group()) == 'gloo'


def loss_and_gradient(model, wrapped, batch):
    losses = wrapped(**model.data_preprocessor(batch, True), mode='loss')
    losses = {key: value for key, value in losses.items() if 'loss' in key}
    sum(losses.values()).backward()
    return (
        {key: value.item() for key, value in losses.items()},
        {
            key: value.grad.cpu()
            for key, value in model.named_parameters()
            if value.grad is not None
        },
    )


@pytest.mark.parametrize('name', list(MODELS_UNDER_TEST))
def test_step_in_a_group(name, group, device, full_fp32, same_noise):
    model, batch = build(name, device)
    alone = loss_and_gradient(model, model, batch)
    model, batch = build(name, device)
    wrapped = DistributedDataParallel(
        model,
        broadcast_buffers=False,
        device_ids=[0] if device == 'cuda' else None,
    )
    check_same_step(alone, loss_and_gradient(model, wrapped, batch))

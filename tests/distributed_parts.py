"""A training step on some processes against one, for the tests."""

import pytest
import torch
import torch.distributed as dist
from forked_ranks import run_ranks
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel


def without_chance(model):
    """Leave out what each rank has for itself: batch norm and dropout.

    SyncBN, which shares the statistics, exists on GPUs only. The norm of the
    part head shares them everywhere and stays as it is.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm | torch.nn.Dropout):
            module.eval()
    return model


def mean_step(model, data, world, find_unused_parameters=False):
    """Losses and gradients of a step, averaged over the ranks.

    ``data`` is what the preprocessor made of this rank's share.
    """
    wrapped = model
    if world > 1:
        wrapped = DistributedDataParallel(
            model,
            broadcast_buffers=False,
            find_unused_parameters=find_unused_parameters,
        )
    losses = {
        key: value
        for key, value in wrapped(**data, mode='loss').items()
        if 'loss' in key
    }
    sum(losses.values()).backward()
    losses = {key: value.detach().clone() for key, value in losses.items()}
    if world > 1:
        for value in losses.values():
            dist.all_reduce(value)
    return (
        {key: value.item() / world for key, value in losses.items()},
        {
            name: parameter.grad
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        },
    )


def _step_of_rank(rank, step, world, args, path):
    found = step(rank, world, *args)
    if rank == 0:
        torch.save(found, path)


def step_on_ranks(tmp_path, world, step, *args):
    """What ``step(rank, world, *args)`` gives on the first rank."""
    path = tmp_path / f'step_{world}.pth'
    run_ranks(tmp_path, _step_of_rank, step, world, args, path, world=world)
    return torch.load(path)


def check_same_step(one, many, factor=1.0, rel=1e-4):
    """Compare losses, and gradients after a factor by their lengths."""
    (losses, grads), (other_losses, others) = one, many
    assert set(losses) == set(other_losses)
    for name, value in losses.items():
        assert other_losses[name] == pytest.approx(
            value, rel=rel / 10, abs=rel / 1000
        ), name
    assert set(grads) == set(others)
    for name, grad in grads.items():
        error = (factor * others[name] - grad).norm()
        assert error <= rel * (grad.norm() + 0.01), name

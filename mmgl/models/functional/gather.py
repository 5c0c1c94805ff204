"""Exchange of tensors between ranks, with and without gradient."""

import torch
import torch.distributed as dist
from torch import Tensor


def _world_size() -> int:
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return 1


def _check_equal_sizes(x: Tensor) -> None:
    """Raise on every rank alike if the shapes differ between ranks."""
    # One fixed-size message per rank; an unequal number of rows would make
    # the exchange itself hang or mix up rows.
    shape = [x.ndim, *x.shape][:8]
    shape = torch.tensor(shape + [0] * (8 - len(shape)), device=x.device)
    bounds = torch.cat([shape, -shape])
    dist.all_reduce(bounds, op=dist.ReduceOp.MAX)
    if bool((bounds[:8] != -bounds[8:]).any()):
        raise ValueError(
            'all_gather needs the same shape on every rank; this rank '
            f'({dist.get_rank()}) has {tuple(x.shape)}, the sizes range from '
            f'{(-bounds[8:]).tolist()} to {bounds[:8].tolist()} (number of '
            'dimensions first). Use an even batch per rank (drop_last).')


def all_gather_no_grad(x: Tensor) -> Tensor:
    """Concatenate ``x`` of all ranks, in rank order, without gradient.

    Args:
        x: Tensor ``(n, ...)`` of the same shape on every rank.

    Returns:
        Tensor ``(n * ranks, ...)``; ``x`` itself (detached) when not
        distributed.

    Raises:
        ValueError: If the shapes differ between ranks.
    """
    x = x.detach()
    if _world_size() == 1:
        return x
    _check_equal_sizes(x)
    parts = [torch.empty_like(x) for _ in range(_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


class _AllGather(torch.autograd.Function):
    """Gather whose gradient collects what every rank asks of a row."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        return all_gather_no_grad(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        # Not in place: autograd may hand the same tensor to other nodes.
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad, op=dist.ReduceOp.SUM)
        start = dist.get_rank() * ctx.rows
        return grad[start:start + ctx.rows]


def all_gather_with_grad(x: Tensor) -> Tensor:
    """Concatenate ``x`` of all ranks, in rank order, keeping the gradient.

    The backward pass sums the gradients of all ranks and gives each rank its
    own rows. If every rank takes the mean of a loss over its local rows, the
    average of the parameter gradients over ranks (what DDP computes) is the
    gradient of the one-process loss on the whole batch. All ranks must run
    the backward pass.

    Args:
        x: Tensor ``(n, ...)`` of the same shape on every rank.

    Returns:
        Tensor ``(n * ranks, ...)``; ``x`` itself when not distributed.

    Raises:
        ValueError: If the shapes differ between ranks.
    """
    if _world_size() == 1:
        return x
    return _AllGather.apply(x)

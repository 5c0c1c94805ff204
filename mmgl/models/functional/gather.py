"""Exchange of tensors between ranks, with and without gradient."""

# Builds of torch without torch.distributed have no ProcessGroup.
from __future__ import annotations

import weakref
from itertools import chain, islice, repeat
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# Default group -> group of the same ranks in which the hosts talk.
_HOST_GROUPS: weakref.WeakKeyDictionary[
    dist.ProcessGroup, dist.ProcessGroup
] = weakref.WeakKeyDictionary()
# Numbers that a shape check compares, rest filled up with -1.
_SHAPE_WORDS = 32


def world_size() -> int:
    """Count the ranks; without torch.distributed there is one."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return 1


def first_row(rows: int) -> int:
    """Where this rank's rows begin among those of all ranks."""
    return dist.get_rank() * rows if world_size() > 1 else 0


def own_columns(pairs: Tensor) -> Tensor:
    """Where a local row meets itself, of pairs with the rows of all ranks."""
    rows, columns = pairs.shape
    first = first_row(rows)
    own = torch.arange(first, first + rows, device=pairs.device)
    return own[:, None] == torch.arange(columns, device=pairs.device)


def host_group() -> dist.ProcessGroup | None:
    """Return a group of all ranks whose messages lie in host memory.

    Reading what came over nccl waits for all work of the device. All ranks
    must call it alike: the first call may make a group of gloo, which lives
    as long as the default group.
    """
    world = dist.group.WORLD
    if world is None or dist.get_backend() == 'gloo':
        return world
    if world not in _HOST_GROUPS:
        _HOST_GROUPS[world] = dist.new_group(backend='gloo')
    return _HOST_GROUPS[world]


def _check_equal_shapes(tensors: tuple[Tensor, ...]) -> None:
    """Raise on every rank alike if the shapes differ between ranks.

    An exchange of unequal rows would hang or mix them up. The hosts compare.
    """
    words = chain.from_iterable((x.ndim, *x.shape) for x in tensors)
    sizes = torch.tensor(list(islice(chain(words, repeat(-1)), _SHAPE_WORDS)))
    bounds = torch.cat([sizes, -sizes])
    dist.all_reduce(bounds, op=dist.ReduceOp.MAX, group=host_group())
    most, least = bounds[:_SHAPE_WORDS], -bounds[_SHAPE_WORDS:]
    if not torch.equal(most, least):
        low, high = least[least >= 0].tolist(), most[most >= 0].tolist()
        raise ValueError(
            'all_gather needs the same shape on every rank; this rank '
            f'({dist.get_rank()}) has {[tuple(x.shape) for x in tensors]}, '
            f'the sizes range from {low} to {high} (number of dimensions '
            'first). Use an even batch per rank (drop_last).'
        )


def _gather(x: Tensor) -> Tensor:
    """One message a rank, (n, ...) to (n * ranks, ...)."""
    x = x.contiguous()
    out = x.new_empty((world_size() * x.shape[0], *x.shape[1:]))
    group = host_group() if x.device.type == 'cpu' else None
    dist.all_gather_into_tensor(out, x, group=group)
    return out


def _exchange(*tensors: Tensor) -> list[Tensor]:
    """Gather (n, ...) of any types in one message, rows as bytes."""
    _check_equal_shapes(tensors)
    if len(tensors) == 1:
        return [_gather(tensors[0])]
    parts = [
        x.reshape(x.shape[0], x[:1].numel()).contiguous().view(torch.uint8)
        for x in tensors
    ]
    message = _gather(torch.cat(parts, dim=1))
    # Copies, because a type can be read at multiples of its size only.
    columns = torch.split(message, [part.shape[1] for part in parts], dim=1)
    return [
        column.clone(memory_format=torch.contiguous_format)
        .view(x.dtype)
        .view(-1, *x.shape[1:])
        for column, x in zip(columns, tensors, strict=True)
    ]


def all_gather_no_grad(x: Tensor) -> Tensor:
    """Concatenate ``x`` of all ranks, in rank order, without gradient.

    What lies on the host is exchanged by the hosts.
    """
    x = x.detach()
    return x if world_size() == 1 else _exchange(x)[0]


class _AllGather(torch.autograd.Function):
    """Gather whose gradient collects what every rank asks of a row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
        gathered = _exchange(x, *labels)
        ctx.mark_non_differentiable(*gathered[1:])
        return tuple(gathered)

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor, *unused: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        grad = grad.contiguous()
        own = grad.new_empty((len(grad) // world_size(), *grad.shape[1:]))
        dist.reduce_scatter_tensor(own, grad, op=dist.ReduceOp.SUM)
        return (own, *(None for _ in unused))


def all_gather_with_grad(x: Tensor) -> Tensor:
    """Concatenate ``x`` of all ranks, in rank order, keeping the gradient.

    Each rank gets back the gradients of all ranks for its own rows: if the
    loss is a mean over local rows, the average over ranks that DDP takes is
    the gradient of one process on the whole batch. All ranks must run the
    backward pass, with ``x`` of the same shape ``(n, ...)``.
    """
    return all_gather_labelled(x)[0]


def all_gather_labelled(x: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
    """Concatenate ``x`` with gradient and labels without, in one message.

    See :func:`all_gather_with_grad`; labels are of any types.
    """
    labels = tuple(label.detach() for label in labels)
    if world_size() == 1:
        return (x, *labels)
    gathered: tuple[Tensor, ...] = _AllGather.apply(x, *labels)  # type: ignore[no-untyped-call]
    return gathered


class _RankMean(torch.autograd.Function):
    """Mean over the ranks, whose gradient is passed on as it is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, op=dist.ReduceOp.SUM)
        return total / world_size()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


def rank_mean(x: Tensor) -> Tensor:
    """Average a tensor over the ranks, for a loss that all compute alike.

    The gradient is then the same on all ranks and handed on as it is, so
    that the average over ranks that DDP takes is that of the one-process
    loss. An error on all ranks if their shapes differ.
    """
    if world_size() == 1:
        return x
    _check_equal_shapes((x,))
    mean: Tensor = _RankMean.apply(x)  # type: ignore[no-untyped-call]
    return mean


def gradient_of_all_ranks(loss: Tensor) -> Tensor:
    """Let a loss count for all ranks, not for a share of them.

    For a loss that every rank computes alike from gathered rows, with a
    gradient for its own rows only, which DDP's average over the ranks would
    divide by their number. ``loss`` must not be a leaf of the graph.
    """
    world = world_size()
    if world > 1 and loss.requires_grad:
        loss.register_hook(lambda grad: grad * world)  # type: ignore[no-untyped-call]
    return loss

"""Maps that keep their order in memory.

A convolution whose backbone has its channels last puts out such maps, and
norms and poolings are fast where a map and its gradient are alike.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def in_memory_as(x: Tensor, y: Tensor) -> Tensor:
    """Keep a map ``y``, with its channels last in memory if ``x`` has them.

    For what comes from products of flattened maps. A ``y`` of one channel
    fits both orders; then its strides are set, which a convolution goes by.
    """
    if x.is_contiguous(memory_format=torch.channels_last):
        return y.clone(memory_format=torch.channels_last)
    return y


def in_order_of(weight: Tensor, images: Tensor) -> Tensor:
    """Bring images in the order of the convolution that meets them first.

    Which would copy them by itself, in the backward pass once more.
    """
    last = weight.is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if last else torch.contiguous_format
    return images.contiguous(memory_format=order)


def stripe_means(x: Tensor, stripes: int) -> Tensor:
    """Average maps ``(B, C, h, w)`` over N equal stripes: ``(B, N, C)``.

    With a gradient in the order of the maps, and none that a GPU sums up in
    no fixed order, as that of ``adaptive_avg_pool2d``.
    """
    if not x.is_contiguous(memory_format=torch.channels_last):
        size = x.shape[2] // stripes, x.shape[3]
        return F.avg_pool2d(x, size).squeeze(-1).transpose(1, 2)
    # On a processor ten times as fast as the gradient of avg_pool2d.
    rows = x.permute(0, 2, 3, 1)
    return rows.reshape(len(x), stripes, -1, x.shape[1]).mean(dim=2)


class _Reorder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x[order]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return grad[order.argsort()], None


def reorder_rows(x: Tensor, order: Tensor) -> Tensor:
    """Return ``x[order]`` for a permutation of all rows.

    The gradient of plain indexing has its channels first, always.
    """
    rows: Tensor = _Reorder.apply(x, order)  # type: ignore[no-untyped-call]
    return rows

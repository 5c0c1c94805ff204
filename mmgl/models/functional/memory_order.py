"""Maps that keep their order in memory.

A convolution whose backbone has its channels last puts out such maps, and
norms and poolings are fast where a map and its gradient are alike.
"""

from typing import Any

import torch
from torch import Tensor


def in_memory_as(x: Tensor, y: Tensor) -> Tensor:
    """Keep a map ``y``, with its channels last in memory if ``x`` has them.

    For what comes from products of flattened maps. A ``y`` of one channel
    fits both orders; then its strides are set, which a convolution goes by.
    """
    if x.is_contiguous(memory_format=torch.channels_last):
        return y.clone(memory_format=torch.channels_last)
    return y


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

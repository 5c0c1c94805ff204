"""Discrepancy between sets of features, and means over masks."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .pairwise import pairwise_sq_dist


def kernel_discrepancy(
    unit: Tensor, rows: Tensor, columns: Tensor, bandwidths: Sequence[float]
) -> Tensor:
    r"""Squared maximum mean discrepancy between sets of features.

    :math:`D(i, j) = \bar k(V_i, V_i) + \bar k(R_j, R_j) - 2 \bar k(V_i,
    R_j)`, where :math:`\bar k` is the mean over all pairs of the two sets
    and :math:`k(a, b)` the mean over squared bandwidths ``s2`` of
    :math:`\exp(-|a - b|^2 / (2 s2))`. Masks ``(p, n)`` and ``(q, n)`` tell
    which features ``(n, d)`` of length 1 are in each V and R; the result
    ``(p, q)`` is from 0 to 2, and of no meaning for empty sets.
    """
    dist = pairwise_sq_dist(unit, unit)
    kernel = torch.stack([(-dist / (2 * s2)).exp() for s2 in bandwidths])
    kernel = kernel.mean(dim=0)
    first, second = shares(rows, kernel), shares(columns, kernel)
    across = first @ kernel
    own = (across * first).sum(dim=1)
    other = (second @ kernel * second).sum(dim=1)
    return own[:, None] + other[None, :] - 2 * across @ second.t()


def shares(members: Tensor, like: Tensor) -> Tensor:
    """Weights of sets ``(p, n)`` that sum to 1 over each, 0 for empty ones."""
    members = members.to(like.dtype)
    return members / members.sum(dim=1, keepdim=True).clamp(min=1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the mask, 0 for an empty one."""
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)

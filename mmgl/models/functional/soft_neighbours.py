"""Soft nearest neighbours and the cross-modality cycle, Eq. 5-6 of MMGL.

All functions take any dimensions in front, ``...``, such as one for the
modality of the queries. There are B images of this rank and M of all ranks
that a query meets, with N stripes each; all vectors have D numbers and length
1, and ``temperature`` is tau.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def spread(images: Tensor, rows: int, columns: int) -> Tensor:
    """From pairs of images ``(..., B, M)`` to pairs of their vectors."""
    return images.repeat_interleave(rows, -2).repeat_interleave(columns, -1)


def spread_places(images: Tensor, size: int) -> Tensor:
    """From places of images ``(..., B)`` to those of their vectors."""
    vectors = torch.arange(size, device=images.device)
    return (images[..., None] * size + vectors).flatten(-2)


class _Gram(torch.autograd.Function):
    """Products of rows with one another; one product more is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x @ x.mT

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        both: Tensor = (grad + grad.mT) @ x
        return both


def similarities(
    queries: Tensor,
    bank: Tensor | None,
    temperature: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Logits ``(..., Q, K)`` of queries ``(..., Q, D)`` and a bank.

    The bank is ``(..., K, D)``, None for the queries themselves. Where the
    mask is False they are -inf.
    """
    if bank is None:
        logits: Tensor = _Gram.apply(queries / temperature**0.5)  # type: ignore[no-untyped-call]
    else:
        logits = (queries / temperature) @ bank.mT
    if mask is not None:
        # Not recorded: the gradient of such a logit is 0 without.
        with torch.no_grad():
            logits.masked_fill_(~mask, float('-inf'))
    return logits


def soft_nearest_neighbours(
    queries: Tensor,
    bank: Tensor,
    temperature: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Retrieve convex combinations of a bank by cosine similarity (Eq. 5).

    Queries ``(..., Q, D)`` retrieve from the bank ``(..., K, D)`` where the
    mask ``(..., Q, K)`` is True; a query without any candidate yields NaN.
    """
    weights = similarities(queries, bank, temperature, mask).softmax(dim=-1)
    return F.normalize(weights @ bank, dim=-1)


def cycle_retrieve(
    parts: Tensor,
    bank: Tensor,
    temperature: float,
    mask: Tensor | None = None,
    detach_bank: bool = False,
) -> tuple[Tensor, Tensor]:
    """Go to the other modality and back to the query's own image.

    Parts ``(..., B, N, D)`` retrieve from the bank ``(..., M, N, D)`` of the
    other modality, where the mask ``(..., B, M)`` is True; ``detach_bank``
    stops gradients through it. Returns forward (other modality) and backward
    (own image) neighbours.
    """
    stripes, own = parts.shape[-2], parts
    if detach_bank:
        bank, own = bank.detach(), parts.detach()
    forward = soft_nearest_neighbours(
        parts.flatten(-3, -2),
        bank.flatten(-3, -2),
        temperature,
        None if mask is None else spread(mask, stripes, stripes),
    ).view_as(parts)
    backward = soft_nearest_neighbours(forward, own, temperature)
    return forward, backward


def info_nce(
    logits: Tensor, positives: Tensor, left_out: Tensor | None = None
) -> Tensor:
    """InfoNCE, summed over A anchors (Eq. 6).

    Logits ``(..., A, C)`` are those of all candidates, one of which is the
    positive, by its place ``(..., A)``; another place ``(..., A)`` may be
    left out of the denominator, in place.
    """
    if left_out is not None:
        with torch.no_grad():
            logits.scatter_(-1, left_out.unsqueeze(-1), float('-inf'))
    return F.cross_entropy(
        logits.flatten(0, -2), positives.flatten(), reduction='sum'
    )

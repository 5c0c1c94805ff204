"""Soft nearest neighbours and the cross-modality cycle, Eq. 5-6 of MMGL.

All functions take masks instead of index lists, so no step waits for the
device and any mix and order of modalities is handled. There are B images of
this rank and M of all ranks, with N stripes each; all vectors have D numbers
and length 1, and ``temperature`` is tau.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def stripe_mask(images: Tensor, stripes: int) -> Tensor:
    """From pairs of images ``(B, M)`` to pairs of their stripes."""
    return images.repeat_interleave(stripes, 0).repeat_interleave(stripes, 1)


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
    # In place, as such matrices are large.
    similarity = (queries @ bank.transpose(-1, -2)).div_(temperature)
    if mask is not None:
        similarity.masked_fill_(~mask, float('-inf'))
    return F.normalize(similarity.softmax(dim=-1) @ bank, dim=-1)


def cycle_retrieve(
    parts: Tensor,
    bank: Tensor,
    mask: Tensor,
    temperature: float,
    detach_bank: bool = False,
) -> tuple[Tensor, Tensor]:
    """Go to the other modality and back to the query's own image.

    Parts ``(B, N, D)`` retrieve from the bank ``(M, N, D)`` where the mask
    ``(B, M)`` is True; ``detach_bank`` stops gradients through it. Returns
    forward (other modality) and backward (own image) neighbours.
    """
    stripes, dim = parts.shape[1:]
    own = parts
    if detach_bank:
        bank, own = bank.detach(), parts.detach()
    forward = soft_nearest_neighbours(
        parts.reshape(-1, dim),
        bank.reshape(-1, dim),
        temperature,
        stripe_mask(mask, stripes),
    ).view_as(parts)
    backward = soft_nearest_neighbours(forward, own, temperature)
    return forward, backward


def masked_info_nce(
    anchors: Tensor,
    positives: Tensor,
    candidates: Tensor,
    mask: Tensor,
    temperature: float,
) -> Tensor:
    """InfoNCE ``(A,)`` of aligned pairs ``(A, D)`` against candidates (Eq. 6).

    The mask ``(A, C)`` tells which candidates ``(C, D)`` stand in the
    denominator, where the positive is only if it is one of them.
    """
    logits = (anchors @ candidates.t()).div_(temperature)
    logits.masked_fill_(~mask, float('-inf'))
    positive = (anchors * positives).sum(dim=-1) / temperature
    return torch.logsumexp(logits, dim=-1) - positive

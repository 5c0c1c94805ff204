"""Soft nearest neighbours and the cross-modality cycle, Eq. 5-6 of MMGL.

All functions take masks instead of index lists, so no step waits for the
device and any mix and order of modalities is handled. Shapes use

- instance number: B (this rank), M (all ranks)
- stripe number: N
- embedding size: D
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def soft_nearest_neighbours(
    queries: Tensor,
    bank: Tensor,
    temperature: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Retrieve convex combinations of a bank by cosine similarity (Eq. 5).

    Args:
        queries (Tensor): Unit vectors of shape (..., Q, D).
        bank (Tensor): Unit vectors of shape (..., K, D).
        temperature (float): Soft-max temperature tau.
        mask (Tensor, optional): True where a bank entry may be retrieved,
            shape (..., Q, K). A query without any candidate yields NaN.

    Returns:
        Tensor: Unit vectors of shape (..., Q, D).
    """
    similarity = queries @ bank.transpose(-1, -2) / temperature
    if mask is not None:
        similarity = similarity.masked_fill(~mask, float('-inf'))
    return F.normalize(similarity.softmax(dim=-1) @ bank, dim=-1)


def cycle_retrieve(
    parts: Tensor,
    bank: Tensor,
    mask: Tensor,
    temperature: float,
    detach_bank: bool = False,
) -> tuple[Tensor, Tensor]:
    """Go to the other modality and back to the query's own image.

    Args:
        parts (Tensor): Unit part vectors of this rank, shape (B, N, D).
        bank (Tensor): Unit part vectors of all ranks, shape (M, N, D).
        mask (Tensor): True where image b may retrieve from image m, shape
            (B, M).
        temperature (float): Soft-max temperature tau.
        detach_bank (bool): Stop gradients through the retrieved entries.

    Returns:
        tuple[Tensor, Tensor]: Forward neighbours (other modality) and
        backward neighbours (own image), unit vectors of shape (B, N, D).
    """
    batch, stripes, dim = parts.shape
    own = parts
    if detach_bank:
        bank, own = bank.detach(), parts.detach()
    mask = mask.repeat_interleave(stripes, 0).repeat_interleave(stripes, 1)
    forward = soft_nearest_neighbours(
        parts.reshape(-1, dim), bank.reshape(-1, dim), temperature, mask
    )
    forward = forward.view(batch, stripes, dim)
    backward = soft_nearest_neighbours(forward, own, temperature)
    return forward, backward


def masked_info_nce(
    anchors: Tensor,
    positives: Tensor,
    candidates: Tensor,
    mask: Tensor,
    temperature: float,
) -> Tensor:
    """InfoNCE of aligned pairs against a masked candidate set (Eq. 6).

    Args:
        anchors (Tensor): Unit vectors of shape (A, D).
        positives (Tensor): Unit vectors of shape (A, D), row a belongs to
            anchor a.
        candidates (Tensor): Unit vectors of shape (C, D) for the
            denominator.
        mask (Tensor): True where a candidate stands in the denominator,
            shape (A, C). The positive must be among them or be added by
            the caller.
        temperature (float): Soft-max temperature tau.

    Returns:
        Tensor: Loss of every anchor, shape (A, ).
    """
    logits = anchors @ candidates.t() / temperature
    logits = logits.masked_fill(~mask, float('-inf'))
    positive = (anchors * positives).sum(dim=-1) / temperature
    return torch.logsumexp(logits, dim=-1) - positive

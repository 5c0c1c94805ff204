"""Squared Euclidean distances, computed one way everywhere."""

import torch
from torch import Tensor

from .gather import all_gather_labelled


def at_least_fp32(x: Tensor) -> Tensor:
    """Cast half precision to fp32 and leave fp32 and fp64 as they are.

    Args:
        x: Tensor of any floating type.

    Returns:
        ``x`` in fp32, or in fp64 if it came in fp64.
    """
    return x if x.dtype == torch.float64 else x.float()


def pairwise_sq_dist(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distance between every row of ``a`` and of ``b``.

    The Gram form ``|a|^2 + |b|^2 - 2ab`` loses digits when the rows share a
    large offset, so both sides are first shifted by the mean of ``b``, which
    changes neither the distances nor their gradient. What remains below the
    rounding noise of the shifted norms is set to exactly 0 with gradient 0:
    equal rows have distance 0, and a later square root cannot blow the noise
    up.

    Args:
        a: Rows ``(n, d)``.
        b: Rows ``(m, d)``.

    Returns:
        Squared distances ``(n, m)`` in fp32 (fp64 if the inputs are fp64),
        whatever autocast and TF32 are set to; all entries are >= 0.

    Raises:
        ValueError: If the shapes do not fit.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            'pairwise_sq_dist needs (n, d) and (m, d), got '
            f'{tuple(a.shape)} and {tuple(b.shape)}'
        )
    with torch.autocast(device_type=a.device.type, enabled=False):
        a, b = at_least_fp32(a), at_least_fp32(b)
        shift = b.detach().mean(dim=0, keepdim=True)
        a, b = a - shift, b - shift
        norms = a.pow(2).sum(1)[:, None] + b.pow(2).sum(1)[None, :]
        sq_dist = norms - 2 * _product(a, b.t())
        noise = 8 * torch.finfo(norms.dtype).eps * norms.detach()
        return sq_dist.masked_fill(sq_dist.detach() <= noise, 0)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Product of matrices without TF32, whose error is no rounding noise."""
    if not a.is_cuda:
        return a @ b
    matmul = torch.backends.cuda.matmul
    allowed = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        return a @ b
    finally:
        matmul.allow_tf32 = allowed


def pairwise_dist(a: Tensor, b: Tensor, eps: float = 1e-12) -> Tensor:
    """Euclidean distance ``sqrt(max(d^2, eps))`` between two sets of rows.

    Args:
        a: Rows ``(n, d)``.
        b: Rows ``(m, d)``.
        eps: Floor under the squared distance; equal rows get ``sqrt(eps)``
            and gradient 0.

    Returns:
        Distances ``(n, m)`` in fp32 (fp64 if the inputs are fp64).
    """
    return pairwise_sq_dist(a, b).clamp(min=eps).sqrt()


def global_pairwise_dist(
    features: Tensor, pids: Tensor, *labels: Tensor
) -> tuple[Tensor, ...]:
    """Distances from the local rows to the batch of all ranks.

    With gradients averaged over the ranks (DDP), a mean over the local rows
    of any function of these distances trains exactly as one process would
    on the whole batch.

    Args:
        features: Local features ``(n, d)``.
        pids: Local identities ``(n,)``.
        *labels: More numbers ``(n,)`` of the local rows.

    Returns:
        Distances ``(n, m)`` and the boolean mask ``(n, m)`` of pairs with
        the same identity (each row's pair with itself included), where
        ``m`` is ``n`` times the number of ranks; then a mask of pairs with
        the same number for each of the labels.

    Raises:
        ValueError: If the number of identities is not the number of rows.
    """
    if features.ndim != 2 or pids.shape != features.shape[:1]:
        raise ValueError(
            'a metric loss needs features (n, d) and pids (n,), got '
            f'{tuple(features.shape)} and {tuple(pids.shape)}'
        )
    # Cast before the exchange: gradients of all ranks add up in fp32.
    features = at_least_fp32(features)
    everyone, *all_labels = all_gather_labelled(features, pids, *labels)
    dist = pairwise_dist(features, everyone)
    same = (
        own[:, None] == whole[None, :]
        for own, whole in zip((pids, *labels), all_labels, strict=True)
    )
    return dist, *same

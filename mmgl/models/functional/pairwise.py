"""Squared Euclidean distances, computed one way everywhere."""

import torch
from torch import Tensor

from .gather import all_gather_labelled

# Floor under squared distances; at it their roots have gradient 0.
EPS = 1e-12


def at_least_fp32(x: Tensor) -> Tensor:
    """Cast half precision to fp32 and leave fp32 and fp64 as they are."""
    return x if x.dtype == torch.float64 else x.float()


def pairwise_sq_dist(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances ``(n, m)`` between rows of ``a`` and ``b``.

    The Gram form ``|a|^2 + |b|^2 - 2ab`` loses digits when the rows share a
    large offset, so both sides are first shifted by the mean of ``b``. What
    is below the rounding noise of the shifted norms is 0 with gradient 0:
    equal rows have distance 0, and a later square root cannot blow the noise
    up. In fp32 (fp64 for fp64), whatever autocast and TF32 are set to.
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


def pairwise_dist(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances ``(n, m)``; equal rows have gradient 0."""
    return pairwise_sq_dist(a, b).clamp(min=EPS).sqrt()


def row_dist(a: Tensor, b: Tensor) -> Tensor:
    """Distances ``(n,)`` of row to row; equal ones have gradient 0."""
    return (a - b).square().sum(dim=1).clamp(min=EPS).sqrt()


def check_rows(features: Tensor, *labels: Tensor) -> None:
    """Raise a ValueError unless every feature has a number of each kind."""
    shapes = [tuple(x.shape) for x in (features, *labels)]
    if features.ndim != 2 or set(shapes[1:]) != {shapes[0][:1]}:
        raise ValueError(
            'a metric loss needs features (n, d) and pids (n,), modality '
            f'likewise, got {shapes}'
        )


def gathered_pairwise_dist(
    features: Tensor, pids: Tensor, *labels: Tensor
) -> tuple[Tensor, ...]:
    """Distances from the n local rows to the m rows of all ranks.

    Gradients as in :func:`~.gather.all_gather_with_grad`. With the distances
    ``(n, m)`` come masks of pairs with the same identity (each row's pair
    with itself included) and with the same number for each of the labels.
    """
    check_rows(features, pids, *labels)
    # Cast before the exchange: gradients of all ranks add up in fp32.
    features = at_least_fp32(features)
    everyone, *all_labels = all_gather_labelled(features, pids, *labels)
    dist = pairwise_dist(features, everyone)
    same = (
        own[:, None] == whole[None, :]
        for own, whole in zip((pids, *labels), all_labels, strict=True)
    )
    return dist, *same


def leave_out(scores: Tensor, mask: Tensor) -> Tensor:
    """Give the masked scores no share in a softmax over others."""
    # Not -inf: a row without any other entry would become NaN.
    return scores.masked_fill(mask, torch.finfo(scores.dtype).min / 2)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the masked entries of each row, 0 elsewhere.

    A row sums to 1 at any scale of the scores, to 0 if its mask is empty.
    """
    return leave_out(scores, ~mask).softmax(dim=1) * mask


def published_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Masked softmax with the defect of AGW's published code.

    Masked entries count as 0 when the row maximum is taken. For negative
    pairs (scores <= 0) nothing is then subtracted, and the 1e-6 in the
    denominator outweighs the sum once the distances pass about 15.
    """
    scores = scores * mask
    exp = (scores - scores.amax(dim=1, keepdim=True)).exp() * mask
    return exp / (exp.sum(dim=1, keepdim=True) + 1e-6)


def weighted_distances(
    features: Tensor, pids: Tensor, published: bool = False, alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Softly weighted distances to the same and to other identities.

    Those ``(n,)`` of the local rows, mostly to the furthest row of the same
    identity and the closest of the others. ``alpha`` is a factor of the
    distances in the weights, exact or those of :func:`published_softmax`.
    """
    dist, positive = gathered_pairwise_dist(features, pids)
    weigh = published_softmax if published else masked_softmax
    furthest = (weigh(alpha * dist, positive) * dist).sum(dim=1)
    closest = (weigh(-alpha * dist, ~positive) * dist).sum(dim=1)
    return furthest, closest

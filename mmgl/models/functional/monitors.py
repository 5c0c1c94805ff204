"""Health figures of a cross-modality embedding, cheap enough for each step.

The modality ``(B,)`` is 0 for visible and 1 for infrared; figures are scalars
from 0 to 1, in fp32.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .modality_groups import modality_indices, split_rows


@torch.no_grad()
def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of rows of logits ``(n, c)`` that are largest at their label."""
    return (logits.argmax(dim=1) == labels).float().mean()


@torch.no_grad()
def part_consistency(
    parts: Tensor, modality: Tensor, labels: Tensor
) -> Tensor:
    """Share of parts whose best cross-modality match has their position.

    It proves correspondence, which a falling cycle-contrastive loss does not
    (random features score low). Chance is 1/N; 0 without a match. Parts are
    unit vectors ``(B, N, D)``, labels ``(B, N)`` their positions. A modality
    on the host costs no synchronisation with the device.
    """
    rows = modality_indices(modality, parts.device)
    if not all(map(len, rows)):
        return parts.new_zeros(())
    one, other = (x.flatten(0, 1) for x in split_rows(parts, rows))
    its, others = (x.flatten() for x in split_rows(labels, rows))
    similarity = one @ other.t()
    hits = (others[similarity.argmax(dim=1)] == its).sum()
    hits += (its[similarity.argmax(dim=0)] == others).sum()
    return hits / labels.numel()


def _by_modality(
    rows: Tensor, modality: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Membership ``(B, 2)``, number ``(2,)`` and mean row of each modality."""
    members = F.one_hot(modality, 2).float()
    counts = members.sum(dim=0)
    means = members.t() @ rows / counts.clamp(min=1).unsqueeze(1)
    return members, counts, means


@torch.no_grad()
def modality_gap(features: Tensor, modality: Tensor) -> Tensor:
    """Share of the variance that the modality explains.

    Of features ``(B, D)`` or maps ``(B, D, h, w)``, which are pooled first.
    """
    features = features.float()
    if features.ndim > 2:
        features = features.flatten(2).mean(dim=2)
    _, counts, means = _by_modality(features, modality)
    mean = features.mean(dim=0)
    total = (features - mean).square().sum()
    between = (counts * (means - mean).square().sum(dim=1)).sum()
    return between / total.clamp(min=1e-12)


@torch.no_grad()
def feature_spread(features: Tensor) -> Tensor:
    """Variance around the mean as a share of the mean squared length.

    0 for features that collapsed to one vector, 1 if their mean is 0.
    """
    features = features.float()
    variance = (features - features.mean(dim=0)).pow(2).sum(dim=1).mean()
    return variance / features.pow(2).sum(dim=1).mean().clamp(min=1e-12)


@torch.no_grad()
def within_modality_spread(features: Tensor, modality: Tensor) -> Tensor:
    """Spread of the directions of features within their modality.

    The variance of unit vectors around their mean, 1 minus the mean cosine of
    two features; the smaller one of the modalities present.
    """
    unit = F.normalize(features.float(), dim=1)
    members, counts, means = _by_modality(unit, modality)
    deviation = (unit - means[modality]).square().sum(dim=1)
    spread = members.t() @ deviation / counts.clamp(min=1)
    return torch.where(counts > 0, spread, 1.0).min()

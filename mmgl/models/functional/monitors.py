"""Health figures of a cross-modality embedding, cheap enough for each step."""

import torch
from torch import Tensor


def part_consistency(
    parts: Tensor, modality: Tensor, labels: Tensor
) -> Tensor:
    """Share of patches whose best cross-modality match is the same part.

    A falling cycle-contrastive loss does not prove correspondence (random
    features already score low); this figure does. Chance is 1/N.

    Args:
        parts (Tensor): Unit part vectors of shape (B, N, D).
        modality (Tensor): 0 visible, 1 infrared, shape (B, ).
        labels (Tensor): Original place of every patch, shape (B, N).

    Returns:
        Tensor: Scalar in [0, 1].
    """
    batch, stripes, dim = parts.shape
    flat = parts.reshape(-1, dim)
    side = modality.repeat_interleave(stripes)
    similarity = flat @ flat.t()
    similarity = similarity.masked_fill(
        side[:, None] == side[None, :], float('-inf')
    )
    labels = labels.reshape(batch * stripes)
    return (labels[similarity.argmax(dim=1)] == labels).float().mean()


@torch.no_grad()
def modality_gap(features: Tensor, modality: Tensor) -> Tensor:
    """Share of the features' variance that the modality explains.

    0: both modalities have the same mean; 1: nothing but the modality.

    Args:
        features: Vectors ``(B, D)``, or feature maps ``(B, D, h, w)``, which
            are pooled over their positions first.
        modality: 0 visible, 1 infrared, ``(B,)``.

    Returns:
        Scalar in [0, 1], in fp32.
    """
    features = features.float()
    if features.ndim > 2:
        features = features.flatten(2).mean(dim=2)
    weights = torch.nn.functional.one_hot(modality, 2).float()
    counts = weights.sum(dim=0)
    means = weights.t() @ features / counts.clamp(min=1).unsqueeze(1)
    mean = features.mean(dim=0)
    total = (features - mean).square().sum()
    between = (counts * (means - mean).square().sum(dim=1)).sum()
    return between / total.clamp(min=1e-12)


@torch.no_grad()
def feature_spread(features: Tensor) -> Tensor:
    """How far features are from being one and the same vector.

    The variance around their mean as a share of their mean squared length;
    0 for collapsed features, 1 for features whose mean is 0.

    Args:
        features: Features ``(n, d)``.

    Returns:
        Scalar from 0 to 1, in fp32; 0 if all features are 0.
    """
    features = features.float()
    variance = (features - features.mean(dim=0)).pow(2).sum(dim=1).mean()
    return variance / features.pow(2).sum(dim=1).mean().clamp(min=1e-12)


@torch.no_grad()
def within_modality_spread(features: Tensor, modality: Tensor) -> Tensor:
    """Spread of the directions of features within their modality.

    For each modality present the variance of the unit vectors around their
    mean, which is 1 minus the mean cosine of two features: 0 if all point
    the same way, 1 if they cancel out. The smaller one is returned.

    Args:
        features: Features ``(n, d)``.
        modality: 0 visible, 1 infrared, ``(n,)``, on the same device.

    Returns:
        Scalar from 0 to 1, in fp32.
    """
    unit = torch.nn.functional.normalize(features.float(), dim=1)
    weights = torch.nn.functional.one_hot(modality, 2).float()
    counts = weights.sum(dim=0)
    means = weights.t() @ unit / counts.clamp(min=1).unsqueeze(1)
    deviation = (unit - means[modality]).square().sum(dim=1)
    spread = weights.t() @ deviation / counts.clamp(min=1)
    return torch.where(counts > 0, spread, 1.0).min()

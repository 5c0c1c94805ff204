"""What each place of two images adds to their similarity."""

from typing import Any

import torch
from torch import Tensor

from mmgl.structures import routing_modality

from .protocols import Tensors
from .reid_model import ReIDModel


def contributions(
    model: ReIDModel, inputs: Tensor, targets: Tensors
) -> tuple[Tensor, Tensor]:
    r"""Compute the cosine of a pair of images, and ``(2, h, w)`` of places.

    Feature map times gradient of the cosine, summed over channels (HiResCAM,
    Draelos and Carin, arXiv:2011.08891), the lengths of the features held. If
    pooling is homogeneous, as average and GeM are, the places of an image sum
    up to the cosine but for what the shift b of the BNNeck adds:
    :math:`\sum_{ij} c_{ij} = \cos(f, g) - b \cdot g / (|f| |g|)`.
    """
    views = [inputs, inputs.flip(3)] if model.flip_test else [inputs]
    leaves = []
    unit = torch.zeros((), device=inputs.device)
    for view in views:
        with torch.no_grad():
            maps = model.backbone(view, routing_modality(targets))
        maps, own = _leaves(maps)
        leaves.append(own)
        with torch.enable_grad():
            feature = model.neck(maps)[model.test_feature]
            unit = unit + feature / _length(feature)
    with torch.enable_grad():
        unit = unit / _length(unit)
        similarity = unit[0] @ unit[1]
    places = torch.zeros((), device=inputs.device)
    for mirrored, own in enumerate(leaves):
        gradients = torch.autograd.grad(
            similarity, own, retain_graph=True, materialize_grads=True
        )
        for leaf, gradient in zip(own, gradients, strict=True):
            added = (leaf.detach() * gradient).sum(1)
            places = places + (added.flip(2) if mirrored else added)
    return similarity.detach(), places


def _leaves(maps: Any) -> tuple[Any, list[Tensor]]:
    """Begin the graph at the feature maps, one or several by name."""
    if isinstance(maps, Tensor):
        leaf = maps.detach().requires_grad_()
        return leaf, [leaf]
    named = {name: one.detach().requires_grad_() for name, one in maps.items()}
    return named, list(named.values())


def _length(vectors: Tensor) -> Tensor:
    """Lengths as constants."""
    lengths: Tensor = vectors.detach().norm(dim=1, keepdim=True)
    return lengths.clamp_min(1e-12)

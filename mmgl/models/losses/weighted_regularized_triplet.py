"""Weighted regularised triplet loss of AGW."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS

from ..functional.pairwise import weighted_distances


@MODELS.register_module()
class WeightedRegularizedTripletLoss(nn.Module):
    r"""Margin-free triplet loss over softly weighted pairs.

    Follows AGW (Ye et al., "Deep Learning for Person Re-identification: A
    Survey and Outlook", TPAMI 2021):

    .. math::
        L = \frac{1}{n} \sum_i \log(1 + \exp(
            \sum_{j \in P_i} w^p_{ij} d_{ij} -
            \sum_{j \in N_i} w^n_{ij} d_{ij}))

    with :math:`w^p = softmax(d)` over the rows of the same identity (the
    anchor included, as published) and :math:`w^n = softmax(-d)` over the
    others. The weights are part of the gradient.

    ``published`` computes what the public code does: beyond distances of
    about 15 its weights of the negative pairs vanish (see
    :func:`~mmgl.models.functional.pairwise.published_softmax`), and beyond
    88.7 the exponential overflows in fp32, with a NaN gradient.

    Example:
        >>> pids = torch.tensor([0, 0, 1, 1])
        >>> features = torch.tensor([[0.0], [0.0], [2.0], [2.0]])
        >>> WeightedRegularizedTripletLoss()(features, pids)
        tensor(0.1269)
    """

    def __init__(self, published: bool = False) -> None:
        super().__init__()
        self.published = published

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Average the loss over local anchors."""
        furthest, closest = weighted_distances(features, pids, self.published)
        if self.published:
            signs = torch.ones_like(furthest)
            return F.soft_margin_loss(closest - furthest, signs)
        return F.softplus(furthest - closest).mean()

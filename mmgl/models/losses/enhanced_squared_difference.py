"""Enhanced squared difference loss of CAJ."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import weighted_distances


@MODELS.register_module()
class EnhancedSquaredDifferenceLoss(nn.Module):
    r"""Squared difference of the weighted distances of AGW's triplet loss.

    Follows the published code of CAJ (Ye et al., ICCV 2021) with
    ``--square 1``; ``--square 0`` is :class:`WeightedRegularizedTripletLoss`.
    With :math:`d^p_i` and :math:`d^n_i` the weighted distances of that loss,

    .. math::
        D_i = \min(\gamma (d^p_i - d^n_i)^2, c), \quad
        L = \frac{1}{n} \sum_i \log(1 + \exp(\pm D_i))

    with + where :math:`d^p_i > d^n_i` and - elsewhere.

    Two properties make training with it fragile. An anchor on the plateau of
    ``clamp`` c, 88, has no gradient, so that features of a large scale are
    not trained at all; without it (None) gradients grow with the difference.
    And :math:`d^p_i = d^n_i` is a stationary point of loss ln 2 = 0.693, where
    features can collapse.

    ``alpha`` is a factor of the distances in the soft weights. ``published``
    takes those of the public code, which vanish for negative pairs at large
    distances, so that most anchors start on the plateau.
    """

    def __init__(
        self,
        gamma: float = 1.0,
        alpha: float = 1.0,
        clamp: float | None = 88.0,
        published: bool = False,
    ) -> None:
        super().__init__()
        for key, value in dict(gamma=gamma, alpha=alpha, clamp=clamp).items():
            require(self, value is None or value > 0, f'{key} > 0', value)
        self.gamma = gamma
        self.alpha = alpha
        self.clamp = clamp
        self.published = published

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Average the loss over local anchors."""
        furthest, closest = weighted_distances(
            features, pids, self.published, self.alpha
        )
        return self.from_distances(furthest, closest).mean()

    def from_distances(self, furthest: Tensor, closest: Tensor) -> Tensor:
        """Loss of each anchor with these distances to positives, negatives."""
        square = self.gamma * (furthest - closest) ** 2
        if self.clamp is not None:
            square = square.clamp(max=self.clamp)
        return F.softplus(torch.where(furthest > closest, square, -square))

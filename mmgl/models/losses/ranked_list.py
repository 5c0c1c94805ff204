"""Ranked-list loss that treats the two kinds of pairs apart."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.gather import own_columns
from ..functional.pairwise import at_least_fp32, gathered_pairwise_dist

_EPS = 1e-5


@MODELS.register_module()
class RankedListLoss(nn.Module):
    r"""Pull positives inside one sphere and push negatives out of another.

    Follows the modality-aware ranked-list loss of MutualInfo (Tian et al.,
    CVPR 2021; after Wang et al., "Ranked List Loss for Deep Metric
    Learning"). On features of length 1, for an anchor and separately for
    the pairs within its modality and across modalities,

    .. math::
        L = \frac{\sum_p [d_p - (\alpha - m)]_+}{|P| + 10^{-5}} +
            \frac{\sum_n w_n (\alpha - d_n)}{\sum_n w_n + 10^{-5}},
        \quad w_n = e^{T (\alpha - d_n)}

    over all positives but the anchor itself and over the negatives with
    :math:`d_n < \alpha`; the weights are part of the gradient. As published
    :math:`\alpha` is 2.2, though unit vectors are at most 2 apart: every
    negative of the own modality counts, and the loss stays above 0.2.

    ``alpha`` and ``margin`` m are for pairs within a modality and across; a
    larger ``temperature`` T makes close negatives count more.
    """

    def __init__(
        self,
        alpha: Sequence[float] = (2.2, 2.0),
        margin: Sequence[float] = (0.9, 1.0),
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        good = len(alpha) == len(margin) == 2 and all(
            0 <= m <= a for a, m in zip(alpha, margin, strict=True)
        )
        rule = (
            'two numbers each (within a modality, across) as alpha and '
            'margin, 0 <= margin <= alpha'
        )
        require(self, good, rule, (alpha, margin))
        require(self, temperature >= 0, 'temperature >= 0', temperature)
        self.alpha = tuple(alpha)
        self.margin = tuple(margin)
        self.temperature = temperature

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Average over local anchors; a missing kind of pair counts 0."""
        if modality is None:
            raise ValueError('RankedListLoss needs the modality of every row')
        features = F.normalize(at_least_fp32(features), dim=1)
        dist, same_id, same_side = gathered_pairwise_dist(
            features, pids, modality
        )
        positive = same_id & ~own_columns(dist)
        loss = dist.new_zeros(len(dist))
        for kind, alpha, margin in zip(
            (same_side, ~same_side), self.alpha, self.margin, strict=True
        ):
            loss = loss + self._pull(dist, positive & kind, alpha - margin)
            loss = loss + self._push(dist, ~same_id & kind, alpha)
        return loss.mean()

    @staticmethod
    def _pull(dist: Tensor, positive: Tensor, boundary: float) -> Tensor:
        excess = F.relu(dist - boundary) * positive
        count = positive.sum(dim=1, dtype=dist.dtype)
        return excess.sum(dim=1) / (count + _EPS)

    def _push(self, dist: Tensor, negative: Tensor, alpha: float) -> Tensor:
        lack = (alpha - dist) * (negative & (dist < alpha))
        weight = torch.exp(self.temperature * lack) * (lack > 0)
        return (weight * lack).sum(dim=1) / (weight.sum(dim=1) + _EPS)

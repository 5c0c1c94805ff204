"""Weighted regularised triplet loss of AGW."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.models.functional.pairwise import global_pairwise_dist
from mmgl.registry import MODELS


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the masked entries of each row, 0 elsewhere.

    Args:
        scores: Scores ``(n, m)``.
        mask: Boolean ``(n, m)``, True where an entry takes part.

    Returns:
        Weights ``(n, m)`` which sum to 1 over the mask of each row at any
        scale of the scores, and to 0 in a row whose mask is empty.
    """
    # Not -inf: a row without any entry would become NaN.
    lowest = torch.finfo(scores.dtype).min / 2
    weights = scores.masked_fill(~mask, lowest).softmax(dim=1)
    return weights * mask


def published_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Masked softmax with the defect of the published code.

    Masked entries count as 0 when the row maximum is taken. For positive
    pairs (scores >= 0) this is harmless; for negative pairs (scores <= 0)
    nothing is subtracted, so that the 1e-6 in the denominator outweighs the
    sum once the distances pass about 15 and the weights no longer sum to 1.

    Args:
        scores: Scores ``(n, m)``.
        mask: Boolean ``(n, m)``, True where an entry takes part.

    Returns:
        Weights ``(n, m)``.
    """
    scores = scores * mask
    exp = (scores - scores.amax(dim=1, keepdim=True)).exp() * mask
    return exp / (exp.sum(dim=1, keepdim=True) + 1e-6)


def weighted_distances(
    features: Tensor, pids: Tensor, published: bool = False, alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Softly weighted distances to the same and to other identities.

    Args:
        features: Local features ``(n, d)``; when distributed they meet the
            batch of all ranks.
        pids: Local identities ``(n,)``.
        published: False for exact weights, True for
            :func:`published_softmax`.
        alpha: Factor of the distances in the weights.

    Returns:
        Distances ``(n,)`` to the same identity, mostly to its furthest row,
        and ``(n,)`` to the others, mostly to the closest row, in fp32.
    """
    dist, positive = global_pairwise_dist(features, pids)
    weigh = published_softmax if published else masked_softmax
    furthest = (weigh(alpha * dist, positive) * dist).sum(dim=1)
    closest = (weigh(-alpha * dist, ~positive) * dist).sum(dim=1)
    return furthest, closest


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
    others. The weights are part of the gradient. Modality plays no role, and
    neither does the order of the batch. When distributed, local anchors meet
    the batch of all ranks.

    Args:
        published: Compute what the public code does. At distances beyond
            about 15 its weights of the negative pairs vanish (see
            :func:`published_softmax`), which leaves the distance to the same
            identity; and the exponential overflows beyond 88.7 in fp32,
            which makes the loss infinite and its gradient NaN. False
            (default) has neither.
    """

    def __init__(self, published: bool = False) -> None:
        super().__init__()
        self.published = published

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Compute the loss in fp32.

        Args:
            features: Features ``(n, d)``, not normalised.
            pids: Identities ``(n,)``.
            modality: Ignored; part of the common signature.

        Returns:
            Scalar loss, the mean over local anchors.
        """
        furthest, closest = weighted_distances(features, pids, self.published)
        if self.published:
            return F.soft_margin_loss(
                closest - furthest, torch.ones_like(furthest)
            )
        return F.softplus(furthest - closest).mean()

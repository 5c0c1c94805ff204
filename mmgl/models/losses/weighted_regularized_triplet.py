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


def legacy_softmax(scores: Tensor, mask: Tensor, eps: float) -> Tensor:
    """Masked softmax with the defect of the published code.

    Masked entries count as 0 when the row maximum is taken. For positive
    pairs (scores >= 0) this is harmless; for negative pairs (scores <= 0)
    nothing is subtracted, so that ``eps`` outweighs the sum once the
    distances pass about 15 and the weights no longer sum to 1.

    Args:
        scores: Scores ``(n, m)``.
        mask: Boolean ``(n, m)``, True where an entry takes part.
        eps: Constant added to the denominator (1e-6 as published).

    Returns:
        Weights ``(n, m)``.
    """
    scores = scores * mask
    exp = (scores - scores.amax(dim=1, keepdim=True)).exp() * mask
    return exp / (exp.sum(dim=1, keepdim=True) + eps)


def check_legacy_eps(owner: str, legacy_eps: float | None) -> float | None:
    """Return ``legacy_eps`` if it is None or positive.

    Args:
        owner: Class named in the message.
        legacy_eps: The value.

    Returns:
        The value.

    Raises:
        ValueError: If it is 0 or negative.
    """
    if legacy_eps is not None and legacy_eps <= 0:
        raise ValueError(f'{owner}.legacy_eps must be None or > 0 (1e-6 as '
                         f'published), got {legacy_eps}')
    return legacy_eps


def weighted_distances(features: Tensor,
                       pids: Tensor,
                       legacy_eps: float | None = None,
                       alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """Softly weighted distances to the same and to other identities.

    Args:
        features: Local features ``(n, d)``; when distributed they meet the
            batch of all ranks.
        pids: Local identities ``(n,)``.
        legacy_eps: None for exact weights, or see :func:`legacy_softmax`.
        alpha: Factor of the distances in the weights.

    Returns:
        Distances ``(n,)`` to the same identity, mostly to its furthest row,
        and ``(n,)`` to the others, mostly to the closest row, in fp32.
    """
    dist, positive = global_pairwise_dist(features, pids)
    scores = alpha * dist
    if legacy_eps is None:
        weight_pos = masked_softmax(scores, positive)
        weight_neg = masked_softmax(-scores, ~positive)
    else:
        weight_pos = legacy_softmax(scores, positive, legacy_eps)
        weight_neg = legacy_softmax(-scores, ~positive, legacy_eps)
    furthest = (weight_pos * dist).sum(dim=1)
    closest = (weight_neg * dist).sum(dim=1)
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
        legacy_eps: None (default) for exact, stable weights; 1e-6 to
            reproduce the published code, where negative weights vanish at
            large feature distances.

    Raises:
        ValueError: If ``legacy_eps`` is not positive.
    """

    def __init__(self, legacy_eps: float | None = None) -> None:
        super().__init__()
        self.legacy_eps = check_legacy_eps(type(self).__name__, legacy_eps)

    def forward(self,
                features: Tensor,
                pids: Tensor,
                modality: Tensor | None = None) -> Tensor:
        """Compute the loss in fp32.

        Args:
            features: Features ``(n, d)``, not normalised.
            pids: Identities ``(n,)``.
            modality: Ignored; part of the common signature.

        Returns:
            Scalar loss, the mean over local anchors.
        """
        furthest, closest = weighted_distances(features, pids, self.legacy_eps)
        return F.softplus(furthest - closest).mean()

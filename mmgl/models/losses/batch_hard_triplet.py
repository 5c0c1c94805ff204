"""Batch-hard triplet loss."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import gathered_pairwise_dist


@MODELS.register_module()
class BatchHardTripletLoss(nn.Module):
    r"""Triplet loss on the furthest positive and the closest negative.

    :math:`L = mean_i \max(0, d^p_i - d^n_i + m)` over the whole mixed batch,
    after Hermans et al., "In Defense of the Triplet Loss for Person
    Re-Identification". ``margin`` m is in units of the Euclidean distance;
    modality plays no role.
    """

    def __init__(self, margin: float = 0.3) -> None:
        super().__init__()
        require(self, margin >= 0, 'margin >= 0', margin)
        self.margin = margin

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Average over local anchors; one without any negative counts 0."""
        dist, positive = gathered_pairwise_dist(features, pids)
        furthest = dist.masked_fill(~positive, 0).amax(dim=1)
        closest = dist.masked_fill(positive, float('inf')).amin(dim=1)
        return F.relu(furthest - closest + self.margin).mean()

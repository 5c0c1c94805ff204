"""Batch-hard triplet loss."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.models.functional.pairwise import global_pairwise_dist
from mmgl.registry import MODELS


@MODELS.register_module()
class BatchHardTripletLoss(nn.Module):
    r"""Triplet loss on the furthest positive and the closest negative.

    Follows Hermans et al., "In Defense of the Triplet Loss for Person
    Re-Identification", with Euclidean distances over the whole mixed batch:
    :math:`L = mean_i \max(0, d^p_i - d^n_i + m)`. Modality plays no role,
    and neither does the order of the batch. When distributed, local anchors
    meet the batch of all ranks.

    Args:
        margin: Margin ``m``, in units of the feature distance.

    Raises:
        ValueError: If the margin is negative.
    """

    def __init__(self, margin: float = 0.3) -> None:
        super().__init__()
        if margin < 0:
            raise ValueError(
                f'BatchHardTripletLoss.margin must be >= 0, got {margin}'
            )
        self.margin = margin

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Compute the loss in fp32.

        Args:
            features: Features ``(n, d)``, not normalised.
            pids: Identities ``(n,)``.
            modality: Ignored; part of the common signature.

        Returns:
            Scalar loss, the mean over local anchors; an anchor without any
            negative in the batch counts 0.
        """
        dist, positive = global_pairwise_dist(features, pids)
        furthest = dist.masked_fill(~positive, 0).amax(dim=1)
        closest = dist.masked_fill(positive, float('inf')).amin(dim=1)
        return F.relu(furthest - closest + self.margin).mean()

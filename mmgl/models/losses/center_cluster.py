"""Center cluster loss of MPANet."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.gather import all_gather_labelled, all_gather_with_grad
from ..functional.pairwise import at_least_fp32, pairwise_dist, row_dist


@MODELS.register_module()
class CenterClusterLoss(nn.Module):
    r"""Pull samples to their identity's center and push centers apart.

    Follows MPANet (Wu et al., CVPR 2021):

    .. math::
        L = mean_b \|f_b - c_{y_b}\| + mean_i mean_{n \ne i}
            \max(0, m - \|c_i - c_n\|)

    where :math:`c_i` is the mean of all samples of identity i, of both
    modalities and all ranks; the gradient flows through it. The published
    ``margin`` of 0.7 is small against the distances of 14,336 numbers, so the
    term mostly pulls.
    """

    def __init__(self, margin: float = 0.7) -> None:
        super().__init__()
        require(self, margin >= 0, 'margin >= 0', margin)
        self.margin = margin

    def forward(
        self, features: Tensor, pids: Tensor, modality: Tensor | None = None
    ) -> Tensor:
        """Add the pull of local samples and the push of their centers."""
        with torch.autocast(device_type=features.device.type, enabled=False):
            features = at_least_fp32(features)
            everyone, ids = all_gather_labelled(features, pids)
            # Each sample has its center: the host does not know how many
            # there are. A product with 0 and 1 sums in a fixed order on GPUs.
            same = pids[:, None] == ids[None, :]
            member = same.to(features.dtype)
            centers = member @ everyone / member.sum(dim=1, keepdim=True)
            pull = row_dist(features, centers).mean()
            return pull + self._push(centers, same, ids)

    def _push(self, centers: Tensor, same: Tensor, ids: Tensor) -> Tensor:
        """Mean violation of the margin by local centers with those of all."""
        dist = pairwise_dist(centers, all_gather_with_grad(centers))
        violation = F.relu(self.margin - dist).masked_fill(same, 0)
        # The rows of an identity count as one.
        own = 1 / same.sum(dim=1).to(centers.dtype)
        share = 1 / (ids[:, None] == ids[None, :]).sum(dim=1).to(own.dtype)
        number = share.sum()
        pairs = (number * (number - 1)).clamp(min=1)
        ranks = len(ids) // len(own)
        return ranks * (own @ violation @ share) / pairs

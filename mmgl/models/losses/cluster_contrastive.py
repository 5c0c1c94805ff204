"""Contrastive loss between images and centers of clusters."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import at_least_fp32, leave_out


@MODELS.register_module()
class ClusterContrastiveLoss(nn.Module):
    r"""Draw an image to the center of its cluster, push it from others.

    ClusterNCE of Cluster Contrast (Dai et al., ACCV 2022): with features and
    centers of length 1,
    :math:`-\log softmax(\hat f \cdot c / T)` at the own center, with
    ``temperature`` T.
    """

    def __init__(self, temperature: float = 0.05) -> None:
        super().__init__()
        require(self, temperature > 0, 'temperature > 0', temperature)
        self.temperature = temperature

    def forward(
        self, features: Tensor, centers: Tensor, labels: Tensor, mask: Tensor
    ) -> Tensor:
        """Return the loss of each row, ``(n,)``.

        Features are ``(n, d)``, centers ``(c, d)``, labels ``(n,)`` number
        the own center; a mask ``(n, c)`` leaves in what a row meets.
        """
        with torch.autocast(features.device.type, enabled=False):
            unit = F.normalize(at_least_fp32(features), dim=1)
            logits = unit @ at_least_fp32(centers).t() / self.temperature
            logits = leave_out(logits, ~mask)
            return F.cross_entropy(logits, labels, reduction='none')

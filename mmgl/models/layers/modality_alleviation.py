"""Modality alleviation module of MPANet."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.memory_order import in_memory_as
from ..functional.pairwise import at_least_fp32


@MODELS.register_module()
class ModalityAlleviation(nn.Module):
    r"""Instance normalisation where a channel carries modality style.

    Follows MPANet (Wu et al., CVPR 2021):
    :math:`F' = w \odot F + (1 - w) \odot IN(F)` with a weight a channel
    :math:`w = \sigma(W_2 ReLU(W_1 GAP(F)))`. The instance norm has neither
    scale nor shift, and uses the statistics of each image in testing too.
    Since :math:`GAP(IN(F)) = 0`, behind the last stage a globally pooled
    feature sees a channel attention only, part features the instance norm.
    A layer for ``backbone.plugins``, behind layer3 and layer4 in MPANet.

    ``reduction`` is C divided by the channels between W_1 and W_2, ``eps``
    is added to the variance of the instance norm.
    """

    def __init__(
        self, in_channels: int, reduction: int = 16, eps: float = 1e-5
    ) -> None:
        super().__init__()
        require(self, reduction >= 1, 'reduction >= 1', reduction)
        self.eps = eps
        inside = max(1, in_channels // reduction)
        self.fc1 = nn.Conv2d(in_channels, inside, 1, bias=False)
        self.fc2 = nn.Conv2d(inside, in_channels, 1, bias=False)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(
                layer.weight, mode='fan_out', nonlinearity='relu'
            )

    def weight(self, x: Tensor) -> Tensor:
        """Share ``(B, C, 1, 1)`` of each channel that is kept as it is."""
        pooled = at_least_fp32(x).mean(dim=(2, 3), keepdim=True)
        logits: Tensor = self.fc2(F.relu(self.fc1(pooled)))
        return logits.sigmoid()

    def forward(self, x: Tensor, modality: Tensor | None = None) -> Tensor:
        """Mix a feature map ``(B, C, h, w)`` with its instance norm."""
        weight = self.weight(x)
        # Sums over all positions lose digits in half precision.
        with torch.autocast(device_type=x.device.type, enabled=False):
            full = at_least_fp32(x)
            normed = in_memory_as(x, F.instance_norm(full, eps=self.eps))
            return torch.lerp(normed, full, weight.to(full.dtype)).to(x.dtype)

"""Pattern alignment module of MPANet."""

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import at_least_fp32
from ..layers import build_bnneck
from ..protocols import Tensors


@MODELS.register_module()
class PatternAlignmentNeck(nn.Module):
    r"""Features of several learnt masks, and the global one (BNNeck).

    Follows MPANet (Wu et al., CVPR 2021). A 1x1 convolution
    gives P masks :math:`M_k = \sigma(conv(F))`; the k-th part feature is
    :math:`GAP(M_k \odot F)`, divided by the number of places, not by the sum
    of the mask. ``PatternSeparationLoss`` on 'masks' tells them apart.

    Features, in fp32: ``pool``, the P parts and then the global average
    ``(B, (P + 1) * C)``; ``bn``, the same after batch norm; and ``masks``
    ``(B, P, h, w)``, in (0, 1), whose length counts as P.
    """

    def __init__(self, in_channels: int, num_parts: int = 6) -> None:
        super().__init__()
        require(self, num_parts >= 1, 'num_parts >= 1', num_parts)
        self.mask = nn.Conv2d(in_channels, num_parts, 1)
        nn.init.zeros_(self.mask.get_parameter('bias'))
        length = (num_parts + 1) * in_channels
        self.bn = build_bnneck(length, weight_std=0)
        self.out_channels = {'pool': length, 'bn': length, 'masks': num_parts}

    def forward(self, x: Tensor) -> Tensors:
        """Compute the features of a map ``(B, C, h, w)``."""
        masks = at_least_fp32(self.mask(x)).sigmoid()
        # Sums over all places lose digits in half precision.
        with torch.autocast(device_type=x.device.type, enabled=False):
            places = at_least_fp32(x).flatten(2)
            sums = masks.flatten(2) @ places.transpose(1, 2)
            parts = sums / places.shape[2]
            pooled = torch.cat([parts.flatten(1), places.mean(dim=2)], dim=1)
            normed = self.bn(pooled)
        return {'pool': pooled, 'bn': normed, 'masks': masks}

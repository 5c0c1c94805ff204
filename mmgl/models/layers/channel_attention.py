"""Channel attention of MutualInfo."""

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS

from ..functional.memory_order import in_memory_as
from ..functional.pairwise import at_least_fp32


@MODELS.register_module()
class ChannelAttention(nn.Module):
    r"""Residual attention of every channel to the channels unlike it.

    The channel module of Fu et al., "Dual Attention Network for Scene
    Segmentation", as placed by MutualInfo (Tian et al., CVPR 2021) behind
    ``layer1``, ``layer2`` and ``layer3``. With the map flattened to
    :math:`X` of shape ``(C, N)``,

    .. math::
        A = softmax_{row}(-X X^T), \quad y = \gamma A X + X

    which the published :math:`softmax(rowmax(S) - S)` is too. The factor
    :math:`\gamma`, the one parameter, starts at 0: as the identity.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, modality: Tensor | None = None) -> Tensor:
        """Add to ``(B, C, h, w)`` what the attended channels hold."""
        # Sums over all positions overflow fp16.
        with torch.autocast(device_type=x.device.type, enabled=False):
            flat = at_least_fp32(x.flatten(2))
            likeness = torch.bmm(flat, flat.transpose(1, 2))
            attention = likeness.neg().softmax(dim=-1)
            out = self.gamma * torch.bmm(attention, flat) + flat
        return in_memory_as(x, out.to(x.dtype).view(x.shape))

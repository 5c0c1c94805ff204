"""Non-local block of AGW."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmgl.utils.checks import require

from ..functional.memory_order import in_memory_as
from ..functional.pairwise import at_least_fp32


class NonLocalBlock(nn.Module):
    r"""Residual attention over all positions, identity at the start.

    The dot-product version of Wang et al., "Non-local Neural Networks", as
    used by AGW: :math:`z = x + BN(W_z y)`,
    :math:`y_i = \frac{1}{N} \sum_j (\theta_i^T \phi_j) g_j`. Without a softmax
    the product is associative: the ``N x N`` attention matrix is never formed.

    Of the channels of the embeddings, ``inter_channels``, the published AGW
    code uses 1 (by accident, but its numbers depend on it); the original
    paper C // 2.
    """

    def __init__(self, in_channels: int, inter_channels: int = 1) -> None:
        super().__init__()
        valid = inter_channels >= 1
        require(self, valid, 'inter_channels >= 1', inter_channels)
        self.theta = nn.Conv2d(in_channels, inter_channels, 1)
        self.phi = nn.Conv2d(in_channels, inter_channels, 1)
        self.g = nn.Conv2d(in_channels, inter_channels, 1)
        self.out = nn.Conv2d(inter_channels, in_channels, 1)
        self.bn = nn.BatchNorm2d(in_channels)
        nn.init.zeros_(self.bn.weight)
        nn.init.zeros_(self.bn.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Add the attended context to a map ``(B, C, h, w)``."""
        theta, phi, g = self._embed(x).flatten(2).chunk(3, dim=1)
        # Sums over all positions overflow fp16.
        with torch.autocast(device_type=x.device.type, enabled=False):
            keys = at_least_fp32(phi) / phi.shape[2]
            context = at_least_fp32(g) @ keys.transpose(1, 2)
            y = (context @ at_least_fp32(theta)).to(theta.dtype)
        y = in_memory_as(x, y.reshape(*y.shape[:2], *x.shape[2:]))
        attended: Tensor = self.bn(self.out(y))
        return x + attended

    def _embed(self, x: Tensor) -> Tensor:
        """All embeddings in one pass over the map, which is far larger."""
        convs = self.theta, self.phi, self.g
        weight = torch.cat([conv.weight for conv in convs])
        bias = torch.cat([conv.get_parameter('bias') for conv in convs])
        return F.conv2d(x, weight, bias)

"""Global pooling layers."""

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS
from mmgl.utils.checks import require

from ..functional.pairwise import at_least_fp32

# Smallest activation relative to the peak of its channel; that of 0 has no
# gradient for an exponent below 1.
_FLOOR = 1e-6


@MODELS.register_module()
class AvgPooling(nn.Module):
    """Global average pooling, in fp32."""

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(B, C, h, w)`` to ``(B, C)``."""
        return _mean(at_least_fp32(x))


@MODELS.register_module()
class GeMPooling(nn.Module):
    """Generalised-mean pooling ``(mean x^p + eps^p)^(1/p)``, in fp32.

    Follows Radenovic et al., "Fine-tuning CNN Image Retrieval with No Human
    Annotation", as used by AGW with a fixed ``p`` of 3.

    Args:
        p: Exponent; 1 is average pooling, large values approach the maximum.
        eps: What a dead channel gives, which keeps its gradient finite. The
            default is the 1e-12 that AGW adds to the mean of cubes.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-4) -> None:
        super().__init__()
        require(self, p > 0 and eps > 0, 'p > 0 and eps > 0', (p, eps))
        self.eps = eps
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Pool a non-negative ``(B, C, h, w)`` to ``(B, C)``, always fp32."""
        with torch.autocast(device_type=x.device.type, enabled=False):
            x = at_least_fp32(x)
            # Relative to the peak of the channel, which changes nothing, so
            # that x^p can neither overflow nor underflow in all positions.
            peak = x.detach().amax(dim=(2, 3), keepdim=True)
            peak = peak.clamp(min=self.eps)
            mean = _mean((x / peak).clamp(min=_FLOOR).pow(self.p))
            peak = peak.flatten(1)
            mean = mean + (self.eps / peak).pow(self.p)
            return mean.pow(1 / self.p) * peak


def _mean(x: Tensor) -> Tensor:
    """Average (B, C, h, w) over the positions.

    By a sum, whose gradient is not written out for every position, and so
    follows the order of the map in memory; that of ``mean`` does not.
    """
    return x.sum(dim=(2, 3)) / (x.shape[2] * x.shape[3])

"""Barlow Twins' head for several processes."""

from mmpretrain.models.heads import LatentCrossCorrelationHead
from torch import Tensor

from mmgl.registry import HEADS

from ..functional.gather import rank_mean


@HEADS.register_module()
class GlobalCrossCorrelationHead(LatentCrossCorrelationHead):  # type: ignore[misc]
    """mmpretrain's cross-correlation, with the gradient of one process.

    mmpretrain's sum over ranks bypasses autograd: the averaged gradient is
    then too small by their number, which plain SGD, unlike LARS, does not
    level.
    """

    def loss(self, input: Tensor, target: Tensor) -> Tensor:
        """Loss of projections (n, d) of two views, the same on all ranks."""
        matrix = self.bn(input).t() @ self.bn(target) / len(input)
        loss: Tensor = self.loss_module(rank_mean(matrix))
        return loss

"""Barlow Twins' head for several processes."""

from mmpretrain.models.heads import LatentCrossCorrelationHead
from torch import Tensor

from mmgl.registry import HEADS

from ..functional.gather import rank_mean


@HEADS.register_module()
class GlobalCrossCorrelationHead(LatentCrossCorrelationHead):  # type: ignore[misc]
    """mmpretrain's cross-correlation, with the gradient of one process.

    The matrix is that of the batch of all ranks, as in mmpretrain, where its
    sum over ranks bypasses autograd: the averaged gradient is then too small
    by the number of ranks, which plain SGD, unlike LARS, does not level. See
    the base class for the arguments.
    """

    def loss(self, input: Tensor, target: Tensor) -> Tensor:
        """Loss of projections (n, d) of two views, the same on all ranks."""
        matrix = self.bn(input).t() @ self.bn(target) / len(input)
        loss: Tensor = self.loss_module(rank_mean(matrix))
        return loss

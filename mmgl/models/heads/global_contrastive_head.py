"""SimCLR's head for several processes."""

from mmpretrain.models.heads import ContrastiveHead
from torch import Tensor

from mmgl.registry import HEADS

from ..functional.gather import gradient_of_all_ranks


@HEADS.register_module()
class GlobalContrastiveHead(ContrastiveHead):  # type: ignore[misc]
    """mmpretrain's contrastive head, with the gradient of one process.

    mmpretrain's SimCLR derives the loss of the gathered batch by the own rows
    only. Averaged over the ranks that is too small by their number, which
    plain SGD, unlike LARS, does not level.
    """

    def loss(self, pos: Tensor, neg: Tensor) -> Tensor:
        """Loss of similarities to the positive (n, 1) and others (n, k)."""
        return gradient_of_all_ranks(super().loss(pos, neg))

"""Residual network with everything shared by both modalities."""

from torch import Tensor

from mmgl.registry import MODELS

from .base_resnet import BaseReIDResNet
from .routing import check_modality


@MODELS.register_module()
class OneStreamResNet(BaseReIDResNet):
    """ResNet that shares all blocks ("one-stream" of the MMGL paper).

    In training the batch norm of the stem sees the mixed batch. See
    :class:`BaseReIDResNet` for the arguments.
    """

    stem_names = ('stem',)

    def forward_stem(self, x: Tensor, modality: Tensor) -> Tensor:
        """Run the one stem; the modality is only checked."""
        check_modality(self, x, modality)
        (stem,) = self.stems()
        x = stem(x)
        return x

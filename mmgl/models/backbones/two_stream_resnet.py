"""Residual network with a stem for each modality."""

from torch import Tensor

from mmgl.registry import MODELS

from ..functional.modality_groups import modality_indices
from .base_resnet import BaseReIDResNet
from .routing import check_modality, route


@MODELS.register_module()
class TwoStreamResNet(BaseReIDResNet):
    """ResNet whose first block is specific to the modality (Table I, MMGL).

    As in MMGL and AGW the shared trunk sees the mixed batch. From scratch the
    two stems are initialised independently. See :class:`BaseReIDResNet` for
    the arguments.
    """

    stem_names = ('visible_stem', 'infrared_stem')

    def forward_stem(self, x: Tensor, modality: Tensor) -> Tensor:
        """Run each image through the stem of its modality."""
        check_modality(self, x, modality)
        return route(self.stems(), modality_indices(modality, x.device), x)

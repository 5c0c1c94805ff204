"""Residual network with a stem for each modality."""

import torch
from torch import Tensor

from mmgl.registry import MODELS

from .base_resnet import BaseReIDResNet, modality_indices


@MODELS.register_module()
class TwoStreamResNet(BaseReIDResNet):
    """ResNet whose first block is specific to the modality (Table I, MMGL).

    Follows the two-stream networks of MMGL and AGW: ``visible_stem`` and
    ``infrared_stem`` (conv1 and bn1 each), and a shared trunk that sees the
    mixed batch. From scratch the two stems are initialised independently.
    See :class:`BaseReIDResNet` for the arguments.

    Example:
        >>> backbone = TwoStreamResNet(depth=18)
        >>> modality = torch.tensor([0, 1, 0])
        >>> backbone(torch.rand(3, 3, 96, 48), modality).shape
        torch.Size([3, 512, 6, 3])
    """

    stem_names = ('visible_stem', 'infrared_stem')

    def forward_stem(self, x: Tensor, modality: Tensor) -> Tensor:
        """Run each image through the stem of its modality.

        Images may come in any mix and order; a stem without images is not
        run, so its statistics stay and its parameters get no gradient. A
        modality on the host costs no synchronisation with the device.
        """
        self.check_modality(x, modality)
        indices = modality_indices(modality, x.device)
        for stem, rows in zip(self.stems(), indices, strict=True):
            if len(rows) == len(x):
                x = stem(x)
                return x
        stems = torch.cat(
            [
                stem(x[rows])
                for stem, rows in zip(self.stems(), indices, strict=True)
            ]
        )
        return stems[torch.cat(indices).argsort()]

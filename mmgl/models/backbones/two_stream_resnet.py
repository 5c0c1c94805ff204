"""Residual network with a stem for each modality."""

import torch
from torch import Tensor

from mmgl.registry import MODELS

from .base_resnet import BaseReIDResNet, modality_indices


@MODELS.register_module()
class TwoStreamResNet(BaseReIDResNet):
    """ResNet whose first block is specific to the modality (Table I, MMGL).

    As in MMGL and AGW the shared trunk sees the mixed batch. From scratch the
    two stems are initialised independently. See :class:`BaseReIDResNet` for
    the arguments.
    """

    stem_names = ('visible_stem', 'infrared_stem')

    def forward_stem(self, x: Tensor, modality: Tensor) -> Tensor:
        """Run each image through the stem of its modality.

        A stem without images is not run: its statistics stay and its
        parameters get no gradient.
        """
        self.check_modality(x, modality)
        indices = modality_indices(modality, x.device)
        routes = list(zip(self.stems(), indices, strict=True))
        for stem, rows in routes:
            if len(rows) == len(x):
                x = stem(x)
                return x
        stemmed = torch.cat([stem(x[rows]) for stem, rows in routes])
        return stemmed[torch.cat(indices).argsort()]

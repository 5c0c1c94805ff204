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
    """

    stem_names = ('visible_stem', 'infrared_stem')

    def forward_stem(self, x: Tensor, modality: Tensor) -> Tensor:
        """Run each image through the stem of its modality.

        Images may come in any mix and order; a stem without images is not
        run, so its statistics stay and its parameters get no gradient.

        Args:
            x: Images ``(B, 3, H, W)``.
            modality: Modality numbers ``(B,)``, 0 visible or 1 infrared. On
                the host they cost no synchronisation with the device.

        Returns:
            Feature map ``(B, base_channels, H / 4, W / 4)`` in the order of
            ``x``.

        Raises:
            TypeError: If ``modality`` is no tensor of whole numbers.
            ValueError: If ``modality`` does not fit the batch or has a
                number other than 0 and 1.
        """
        self.check_modality(x, modality)
        visible, infrared = modality_indices(modality, x.device)
        if len(infrared) == 0:
            return self.visible_stem(x)
        if len(visible) == 0:
            return self.infrared_stem(x)
        stems = torch.cat(
            [self.visible_stem(x[visible]), self.infrared_stem(x[infrared])]
        )
        position = torch.cat([visible, infrared])
        return stems[position.argsort()]

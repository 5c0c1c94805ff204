"""Residual network with everything shared by both modalities."""

from torch import Tensor

from mmgl.registry import MODELS

from .base_resnet import BaseReIDResNet


@MODELS.register_module()
class OneStreamResNet(BaseReIDResNet):
    """ResNet that shares all blocks ("one-stream" of the MMGL paper).

    In training the batch norm of the stem sees the mixed batch; this and the
    number of stems is the whole difference to :class:`TwoStreamResNet`.
    Parameters are named ``stem.conv1``, ``stem.bn1``, ``layer1`` ...
    ``layer4`` and ``non_local.layer2_2`` and so on. See
    :class:`BaseReIDResNet` for the arguments.
    """

    stem_names = ('stem', )

    def forward(self, x: Tensor, modality: Tensor) -> Tensor:
        """Compute the feature map.

        Args:
            x: Images ``(B, 3, H, W)``.
            modality: Modality numbers ``(B,)``; used by plugins only.

        Returns:
            Feature map ``(B, out_channels, h, w)``; for a ResNet-50 and
            288x144 images ``(B, 2048, 18, 9)``.

        Raises:
            TypeError: If ``modality`` is no tensor of whole numbers.
            ValueError: If ``modality`` does not fit the batch.
        """
        self.check_modality(x, modality)
        return self.forward_trunk(self.stem(x), modality)

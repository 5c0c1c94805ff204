"""Colorization as a pretext task."""

import torch
from torch import Tensor

from mmgl.registry import HEADS, MODELS
from mmgl.structures import VISIBLE, routing_modality

from ..backbones.base_resnet import modality_indices
from ..functional.colour import rgb_to_lab
from ..functional.monitors import modality_gap
from .pretext_pretrainer import PretextPretrainer

INFRARED_MODES = ('grey', 'ignore')


@MODELS.register_module()
class ColorizationPretrainer(PretextPretrainer):
    """Colours from lightness.

    Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016). The
    backbone sees the lightness L in all three channels, normalised as any
    grey image, so that its weights fit later images; the colours ab are the
    target. Both are made here from the normalised image, on the device.

    Infrared images have no colour. With ``infrared='grey'`` they go through
    their stem all the same, with grey as the target, which the network can
    tell by the stem alone; with 'ignore' they are left out, and a two-stream
    network then keeps an untrained infrared stem (distributed training needs
    ``find_unused_parameters=True``).

    Args:
        backbone (dict): Config of a one- or two-stream backbone.
        head (dict): Config of :class:`ColorizationHead`.
        infrared (str): 'grey' or 'ignore'. Defaults to 'grey'.
        data_preprocessor (dict, optional): Config of the preprocessor.

    Raises:
        ValueError: If ``infrared`` is unknown, or the preprocessor does not
            put red first.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        infrared: str = 'grey',
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(backbone, data_preprocessor)
        if infrared not in INFRARED_MODES:
            raise ValueError(
                f'ColorizationPretrainer.infrared={infrared!r} '
                f'is not one of {INFRARED_MODES}.'
            )
        if not self.data_preprocessor.to_rgb:
            raise ValueError(
                'ColorizationPretrainer needs '
                'data_preprocessor.to_rgb=True to know which '
                'channel is red.'
            )
        self.infrared = infrared
        self.head = HEADS.build(
            dict(in_channels=self.backbone.out_channels, **head)
        )

    def split(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Take lightness and colour of normalised images apart.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W).

        Returns:
            tuple[Tensor, Tensor]: Grey images (B, 3, H, W) whose grey level
            is 2.55 L, normalised, and colours ab (B, 2, H, W).
        """
        mean, std = self.data_preprocessor.mean, self.data_preprocessor.std
        rgb = (inputs * std + mean) / 255
        lab = rgb_to_lab(rgb.clamp(0, 1))
        return (2.55 * lab[:, :1] - mean) / std, lab[:, 1:]

    def prepare(self, inputs: Tensor) -> Tensor:
        """Make the grey images that the backbone sees.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W).

        Returns:
            Tensor: Images of the same shape.
        """
        return self.split(inputs)[0]

    def compute_losses(
        self, inputs: Tensor, targets: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the loss of :class:`ColorizationHead`.

        Args:
            inputs (Tensor): Images of shape (B, 3, H, W).
            targets (dict[str, Tensor]): ``modality`` (B, ).

        Returns:
            dict[str, Tensor]: ``loss_colorization``, ``colour_top1`` and,
            where infrared images are seen, ``modality_gap``.

        Raises:
            ValueError: If infrared images are ignored and there is nothing
                else.
        """
        modality = routing_modality(targets)
        visible, _ = modality_indices(modality, inputs.device)
        if self.infrared == 'ignore':
            inputs, modality = inputs[visible], modality[modality == VISIBLE]
            visible = torch.arange(len(inputs), device=inputs.device)
            if len(inputs) == 0:
                raise ValueError(
                    "ColorizationPretrainer: infrared='ignore' "
                    'leaves nothing of a batch without visible '
                    'images.'
                )
        grey, ab = self.split(inputs)
        feature_map = self.backbone(grey, modality)
        losses = self.head.loss(feature_map, ab, visible)
        if self.infrared != 'ignore':
            losses['modality_gap'] = modality_gap(
                feature_map, targets['modality']
            )
        return losses

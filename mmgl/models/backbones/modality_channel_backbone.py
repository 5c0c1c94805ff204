"""Backbone whose input carries the modality as a fourth channel."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS


@MODELS.register_module()
class ModalityChannelBackbone(nn.Module):
    """Let a backbone ``(x, modality)`` be called as ``backbone(x)``.

    The self-supervisors of mmpretrain stack and mix the views of a batch and
    call the backbone with nothing but images. A fourth channel, constant over
    an image (see ``ModalityChannelPreprocessor``), goes wherever its image
    goes. On an accelerator reading it costs one synchronisation a call with
    ``TwoStreamResNet``. ``mmgl.checkpoints.fit`` reads the tensors
    ``backbone.network.*`` like ``backbone.*``.
    """

    def __init__(self, network: Mapping[str, Any]) -> None:
        super().__init__()
        self.network = MODELS.build(dict(network))
        self.out_channels = self.network.out_channels

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Compute the map of ``(B, 4, H, W)``, a tuple as mmpretrain asks.

        In fp32 also under autocast, for necks and heads outside of it.
        """
        return (self.network(x[:, :3], modality_channel(x)).float(),)


def modality_channel(x: Tensor) -> Tensor:
    """Read the modality ``(B,)`` off the fourth channel of images."""
    if x.ndim != 4 or x.shape[1] != 4:
        raise ValueError(
            'ModalityChannelBackbone needs images with the modality as fourth'
            f' channel (B, 4, H, W), got {tuple(x.shape)}; set '
            "model.data_preprocessor.type='ModalityChannelPreprocessor'"
        )
    return (x[:, 3, 0, 0] > 0.5).to(torch.long)

"""Separation loss of MPANet's masks."""

import torch
from torch import Tensor, nn

from mmgl.registry import MODELS

from ..functional.pairwise import at_least_fp32


@MODELS.register_module()
class PatternSeparationLoss(nn.Module):
    r"""Keep the masks of an image from covering the same positions.

    Follows MPANet (Wu et al., CVPR 2021): :math:`L = mean_{b, k < l} \langle
    M_k, M_l \rangle`, a sum over positions as in the published code, which
    grows with the image. ``normalize`` divides by their number; a weight of
    0.5 without corresponds to 96 (24x8) or 64 (16x8) with it.
    """

    def __init__(self, normalize: bool = False) -> None:
        super().__init__()
        self.normalize = normalize

    def forward(
        self,
        features: Tensor,
        pids: Tensor | None = None,
        modality: Tensor | None = None,
    ) -> Tensor:
        """Average over images and pairs of masks ``(n, P >= 2, h, w)``."""
        if features.ndim != 4 or features.shape[1] < 2:
            raise ValueError(
                'PatternSeparationLoss needs masks (n, P, h, w) with P >= 2, '
                f"got {tuple(features.shape)}; set feature='masks' and "
                'neck.num_parts of 2 or more'
            )
        with torch.autocast(device_type=features.device.type, enabled=False):
            masks = at_least_fp32(features).flatten(2)
            num, parts, positions = masks.shape
            overlap = (masks @ masks.mT).triu(diagonal=1).sum()
            loss = overlap / (num * parts * (parts - 1) / 2)
            return loss / positions if self.normalize else loss

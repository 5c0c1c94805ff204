"""Tiles without what would tell neighbours by their brightness."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmgl.registry import MODELS

from .reid_data_preprocessor import ReIDDataPreprocessor


@MODELS.register_module()
class TilePreprocessor(ReIDDataPreprocessor):
    """Normalise images, then each tile by itself; whole images alike.

    ``standardise`` gives each channel of each tile zero mean and unit
    variance, since brightness and contrast would tell neighbours. The other
    settings are those of :class:`ReIDDataPreprocessor`.
    """

    def __init__(self, standardise: bool = True, **settings: Any) -> None:
        super().__init__(**settings)
        self.standardise = standardise

    def normalise(self, images: Tensor | Sequence[Tensor]) -> Tensor:
        """Make tiles ``(B, 3, h, w)`` of one size ready for the backbone."""
        tiles = super().normalise(images)
        if self.standardise:
            tiles = standardise_tiles(tiles)
        if tiles.device.type == 'cpu':
            # Convolutions of many small maps are a quarter faster.
            tiles = tiles.contiguous(memory_format=torch.channels_last)
        return tiles


def standardise_tiles(tiles: Tensor, eps: float = 1e-4) -> Tensor:
    """Zero mean and unit variance in every channel of every tile.

    ``eps`` is added to the variance; by default about that of half a grey
    level, so that flat tiles are not turned into noise.
    """
    var, mean = torch.var_mean(tiles, dim=(2, 3), keepdim=True, unbiased=False)
    return (tiles - mean) * (var + eps).rsqrt()

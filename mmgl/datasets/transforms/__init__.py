# mmcv registers its own transforms only when this module is imported.
import mmcv.transforms  # noqa: F401

from .augmix import AugMix
from .channels import (
    ChannelAdaptiveGray,
    ChannelExchange,
    ChannelRandomErasing,
)
from .formatting import PackReIDInputs
from .loading import (
    LoadImageFromBytes,
    LoadImageFromFile,
    LoadPackedImage,
    PILResize,
)
from .puzzles import (
    JigsawTiles,
    SharedStripeShuffle,
    cut_tiles,
    shuffle_stripes,
)
from .wrappers import EpochStages, ModalityTransform, Views

__all__ = [
    'AugMix',
    'ChannelAdaptiveGray',
    'ChannelExchange',
    'ChannelRandomErasing',
    'EpochStages',
    'JigsawTiles',
    'LoadImageFromBytes',
    'LoadImageFromFile',
    'LoadPackedImage',
    'ModalityTransform',
    'PILResize',
    'PackReIDInputs',
    'SharedStripeShuffle',
    'Views',
    'cut_tiles',
    'shuffle_stripes',
]

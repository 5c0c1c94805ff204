# mmcv registers its own transforms only when this module is imported.
import mmcv.transforms  # noqa: F401

from .augmix import AugMix
from .channel_adaptive_gray import ChannelAdaptiveGray
from .channel_exchange import ChannelExchange
from .channel_random_erasing import ChannelRandomErasing
from .epoch_stages import EpochStages
from .jigsaw_tiles import JigsawTiles, cut_tiles
from .load_bytes import LoadImageFromBytes
from .load_packed import LoadPackedImage
from .modality_transform import ModalityTransform
from .pack import PackReIDInputs
from .pil_resize import PILResize
from .stripe_shuffle import SharedStripeShuffle, shuffle_stripes
from .views import Views

__all__ = [
    'AugMix',
    'ChannelAdaptiveGray',
    'ChannelExchange',
    'ChannelRandomErasing',
    'EpochStages',
    'JigsawTiles',
    'LoadImageFromBytes',
    'LoadPackedImage',
    'ModalityTransform',
    'PILResize',
    'PackReIDInputs',
    'SharedStripeShuffle',
    'Views',
    'cut_tiles',
    'shuffle_stripes',
]

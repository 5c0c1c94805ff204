# mmcv registers its own transforms only when this module is imported.
import mmcv.transforms  # noqa: F401

from .augmix import AugMix
from .pack import PackReIDInputs
from .stripe_shuffle import SharedStripeShuffle, shuffle_stripes

__all__ = [
    'AugMix', 'PackReIDInputs', 'SharedStripeShuffle', 'shuffle_stripes'
]

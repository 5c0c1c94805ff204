from .randomness import Draw, rng_scope
from .regdb import RegDB
from .reid_dataset import ReIDDataset
from .streamed_pairs import StreamedPairs
from .sysu_mm01 import SYSUMM01

__all__ = [
    'Draw',
    'RegDB',
    'ReIDDataset',
    'SYSUMM01',
    'StreamedPairs',
    'rng_scope',
]

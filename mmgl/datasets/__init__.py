from mmgl.utils.compat import end_with_lost_batches

from .collate import stack_collate
from .llcm import LLCM
from .randomness import Draw, rng_scope
from .regdb import RegDB
from .reid_dataset import ReIDDataset
from .reid_table import ReIDTable
from .streamed_pairs import StreamedPairs
from .sysu_mm01 import SYSUMM01

end_with_lost_batches()

__all__ = [
    'Draw',
    'LLCM',
    'RegDB',
    'ReIDDataset',
    'ReIDTable',
    'SYSUMM01',
    'StreamedPairs',
    'rng_scope',
    'stack_collate',
]

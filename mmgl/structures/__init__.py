from .modality import INFRARED, MODALITY_NAMES, VISIBLE
from .permutation_set import permutation_codes, permutation_set
from .reid_data_sample import ReIDDataSample

__all__ = [
    'INFRARED', 'MODALITY_NAMES', 'VISIBLE', 'ReIDDataSample',
    'permutation_codes', 'permutation_set'
]

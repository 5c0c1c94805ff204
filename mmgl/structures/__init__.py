from .modality import (
    HOST_MODALITY,
    INFRARED,
    MODALITY_NAMES,
    VISIBLE,
    routing_modality,
)
from .permutation_set import permutation_codes, permutation_set
from .reid_data_sample import ReIDDataSample

__all__ = [
    'HOST_MODALITY',
    'INFRARED',
    'MODALITY_NAMES',
    'VISIBLE',
    'ReIDDataSample',
    'permutation_codes',
    'permutation_set',
    'routing_modality',
]

from .modality import INFRARED, MODALITY_NAMES, VISIBLE
from .reid_data_sample import ReIDDataSample

__all__ = ['INFRARED', 'MODALITY_NAMES', 'VISIBLE', 'ReIDDataSample']

from .lightness_preprocessor import LightnessPreprocessor
from .modality_channel_preprocessor import ModalityChannelPreprocessor
from .reid_data_preprocessor import ReIDDataPreprocessor
from .tile_preprocessor import TilePreprocessor

__all__ = [
    'LightnessPreprocessor',
    'ModalityChannelPreprocessor',
    'ReIDDataPreprocessor',
    'TilePreprocessor',
]

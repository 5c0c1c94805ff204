from .modality_channel_preprocessor import ModalityChannelPreprocessor
from .reid_data_preprocessor import ReIDDataPreprocessor

__all__ = ['ModalityChannelPreprocessor', 'ReIDDataPreprocessor']

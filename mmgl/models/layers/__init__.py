from .non_local import NonLocalBlock
from .pooling import AvgPooling, GeMPooling

__all__ = ['AvgPooling', 'GeMPooling', 'NonLocalBlock']

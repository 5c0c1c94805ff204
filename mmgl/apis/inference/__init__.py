"""From photographs to features: what runs where there is no data set."""

from .calibration import Calibration
from .embedder import Embedder
from .sources import ImageError

__all__ = ['Calibration', 'Embedder', 'ImageError']

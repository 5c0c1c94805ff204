"""From photographs to features: what runs where there is no data set."""

from .calibration import Calibration
from .embedder import Embedder
from .explanation import Explanation, explain
from .sources import ImageError

__all__ = ['Calibration', 'Embedder', 'Explanation', 'ImageError', 'explain']

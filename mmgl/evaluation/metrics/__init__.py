from .permutation_accuracy import PermutationAccuracy
from .reid_metric import ReIDMetric

__all__ = ['PermutationAccuracy', 'ReIDMetric']

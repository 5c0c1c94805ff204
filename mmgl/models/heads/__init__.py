from .classifier_head import ClassifierHead
from .metric_head import MetricHead
from .part_head import PartHead
from .permutation_head import PermutationHead

__all__ = ['ClassifierHead', 'MetricHead', 'PartHead', 'PermutationHead']

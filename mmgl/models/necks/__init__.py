from .global_feature_neck import GlobalFeatureNeck
from .mutual_bottleneck_neck import MutualBottleneckNeck
from .part_attention_neck import PartAttentionNeck
from .pattern_alignment_neck import PatternAlignmentNeck

__all__ = [
    'GlobalFeatureNeck',
    'MutualBottleneckNeck',
    'PartAttentionNeck',
    'PatternAlignmentNeck',
]

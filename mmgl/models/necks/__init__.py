from .diverse_embedding_neck import DiverseEmbeddingNeck
from .global_feature_neck import GlobalFeatureNeck
from .map_neck import MapNeck
from .mutual_bottleneck_neck import MutualBottleneckNeck
from .part_attention_neck import PartAttentionNeck
from .pattern_alignment_neck import PatternAlignmentNeck

__all__ = [
    'DiverseEmbeddingNeck',
    'GlobalFeatureNeck',
    'MapNeck',
    'MutualBottleneckNeck',
    'PartAttentionNeck',
    'PatternAlignmentNeck',
]

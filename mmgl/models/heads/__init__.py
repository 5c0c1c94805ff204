from .classifier_head import ClassifierHead
from .cluster_memory_head import ClusterMemoryHead
from .colorization_head import ColorizationHead
from .global_contrastive_head import GlobalContrastiveHead
from .global_cross_correlation_head import GlobalCrossCorrelationHead
from .graph_attention_head import GraphAttentionHead
from .jigsaw_head import JigsawHead
from .metric_head import MetricHead
from .modality_classifier_head import ModalityClassifierHead
from .part_head import PartHead
from .permutation_head import PermutationHead
from .variational_distillation_head import VariationalDistillationHead

__all__ = [
    'ClassifierHead',
    'ClusterMemoryHead',
    'ColorizationHead',
    'GlobalContrastiveHead',
    'GlobalCrossCorrelationHead',
    'GraphAttentionHead',
    'JigsawHead',
    'MetricHead',
    'ModalityClassifierHead',
    'PartHead',
    'PermutationHead',
    'VariationalDistillationHead',
]

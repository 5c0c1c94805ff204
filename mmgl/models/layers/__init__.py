from .bnneck import build_bnneck
from .channel_attention import ChannelAttention
from .feature_search_cell import FeatureSearchCell
from .graph_attention_layer import GraphAttentionLayer
from .modality_alleviation import ModalityAlleviation
from .multistage_aggregation import MultistageAggregation
from .non_local import NonLocalBlock
from .pooling import AvgPooling, GeMPooling

__all__ = [
    'MultistageAggregation',
    'AvgPooling',
    'ChannelAttention',
    'FeatureSearchCell',
    'GeMPooling',
    'GraphAttentionLayer',
    'ModalityAlleviation',
    'NonLocalBlock',
    'build_bnneck',
]

from .any_backbone import AnyBackbone
from .base_resnet import BaseReIDResNet
from .modality_channel_backbone import ModalityChannelBackbone
from .mutual_networks import MutualNetworks
from .one_stream_resnet import OneStreamResNet
from .two_stream_resnet import TwoStreamResNet

__all__ = [
    'AnyBackbone',
    'BaseReIDResNet',
    'ModalityChannelBackbone',
    'MutualNetworks',
    'OneStreamResNet',
    'TwoStreamResNet',
]

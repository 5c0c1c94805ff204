from .base_resnet import BaseReIDResNet
from .mutual_networks import MutualNetworks
from .one_stream_resnet import OneStreamResNet
from .two_stream_resnet import TwoStreamResNet

__all__ = [
    'BaseReIDResNet',
    'MutualNetworks',
    'OneStreamResNet',
    'TwoStreamResNet',
]

from . import backbones, data_preprocessors, heads, layers, losses, necks
from .reid_model import ReIDModel
from .stagewise_model import StagewiseModel

__all__ = [
    'ReIDModel',
    'StagewiseModel',
    'backbones',
    'data_preprocessors',
    'heads',
    'layers',
    'losses',
    'necks',
]

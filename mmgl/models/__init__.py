from . import (
    backbones,
    data_preprocessors,
    heads,
    layers,
    losses,
    necks,
    pretrainers,
    reid,
)

__all__ = [
    'backbones',
    'data_preprocessors',
    'heads',
    'layers',
    'losses',
    'necks',
    'pretrainers',
    'reid',
]

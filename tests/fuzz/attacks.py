"""All attacks; importing them registers them."""

from . import checkpoints, commands, features, images, settings, splits, stores
from .cases import ATTACKS

MODULES = checkpoints, splits, features, images, stores, settings, commands

__all__ = ['ATTACKS', 'MODULES']

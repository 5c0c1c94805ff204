"""Translation between released checkpoints and those of this package."""

from .methods import METHODS, Method, resnet_rules
from .rules import check_tensors, translate

__all__ = ['METHODS', 'Method', 'check_tensors', 'resnet_rules', 'translate']

"""Hooks, optimizer wrappers and file backends for mmengine's Runner.

Importing it also installs the work-arounds that a Runner needs.
"""

from mmgl.utils.compat import know_own_configs

from . import hooks
from .atomic_backend import AtomicLocalBackend
from .optim_wrappers import AutocastOptimWrapper
from .runner import ReIDRunner

know_own_configs()

__all__ = ['AtomicLocalBackend', 'AutocastOptimWrapper', 'ReIDRunner', 'hooks']

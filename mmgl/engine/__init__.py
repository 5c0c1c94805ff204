"""Hooks, optimizer wrappers and file backends for mmengine's Runner.

Importing it also installs the work-arounds that a Runner needs.
"""

from mmgl.utils.compat import format_configs_once, know_own_configs

from . import hooks
from .atomic_backend import AtomicLocalBackend
from .optim_wrappers import AutocastOptimWrapper
from .runner import ReIDRunner

know_own_configs()
format_configs_once()

__all__ = ['AtomicLocalBackend', 'AutocastOptimWrapper', 'ReIDRunner', 'hooks']

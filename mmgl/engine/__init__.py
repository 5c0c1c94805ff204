"""Hooks, optimizer wrappers and file backends for mmengine's Runner.

Importing it also installs the work-arounds that a Runner needs.
"""

from mmgl.utils.compat import install_checkpoint_loader, know_own_configs

from .atomic_backend import AtomicLocalBackend
from .hooks import (
    DatasetMetaHook,
    DivergenceHook,
    IterationSeedHook,
    ProgressHook,
)
from .optim_wrappers import AutocastOptimWrapper

install_checkpoint_loader()
know_own_configs()

__all__ = [
    'AtomicLocalBackend',
    'AutocastOptimWrapper',
    'DatasetMetaHook',
    'DivergenceHook',
    'IterationSeedHook',
    'ProgressHook',
]

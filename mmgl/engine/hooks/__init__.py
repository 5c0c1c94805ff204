from .dataset_meta import DatasetMetaHook
from .iteration_seed import IterationSeedHook
from .loss_ramp_hook import LossRampHook
from .progress import ProgressHook
from .stop_on_non_finite import StopOnNonFiniteHook, TrainingDivergedError

__all__ = [
    'DatasetMetaHook',
    'IterationSeedHook',
    'LossRampHook',
    'ProgressHook',
    'StopOnNonFiniteHook',
    'TrainingDivergedError',
]

from .backbone_autocast import BackboneAutocastHook
from .classifier_ema_hook import ClassifierEmaHook
from .compile_backbone import CompileBackboneHook
from .dataset_meta import DatasetMetaHook
from .deferred_runtime_info import DeferredRuntimeInfoHook
from .divergence import DivergenceHook, TrainingDivergedError, read_verdict
from .dynamic_loss_weight import DynamicLossWeightHook
from .feature_spread import FeatureSpreadHook
from .iteration_seed import IterationSeedHook
from .loss_ramp_hook import LossRampHook
from .progress import ProgressHook
from .search_phase import SearchPhaseHook

__all__ = [
    'BackboneAutocastHook',
    'ClassifierEmaHook',
    'CompileBackboneHook',
    'DatasetMetaHook',
    'DeferredRuntimeInfoHook',
    'DivergenceHook',
    'DynamicLossWeightHook',
    'FeatureSpreadHook',
    'IterationSeedHook',
    'LossRampHook',
    'ProgressHook',
    'SearchPhaseHook',
    'TrainingDivergedError',
    'read_verdict',
]

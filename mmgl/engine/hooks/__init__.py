"""Hooks, one a file; mmengine calls them by keywords."""

from .backbone_autocast import BackboneAutocastHook
from .channels_last import ChannelsLastHook
from .classifier_ema import ClassifierEmaHook
from .compile_backbone import CompileBackboneHook
from .dataset_meta import DatasetMetaHook
from .deferred_runtime_info import DeferredRuntimeInfoHook
from .divergence import DivergenceHook, read_verdict
from .dynamic_loss_weight import DynamicLossWeightHook
from .feature_spread import FeatureSpreadHook
from .iteration_seed import IterationSeedHook
from .loss_ramp import LossRampHook
from .progress import ProgressHook
from .pseudo_labels import PseudoLabelHook
from .search_phase import SearchPhaseHook
from .swav_queue import SwAVQueueHook

__all__ = [
    'BackboneAutocastHook',
    'ChannelsLastHook',
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
    'PseudoLabelHook',
    'SearchPhaseHook',
    'SwAVQueueHook',
    'read_verdict',
]

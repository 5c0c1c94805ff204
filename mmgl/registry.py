"""Registries of mmgl: children of mmengine's, filled lazily from locations.

A component is found under the scope ``mmgl``; parts of other OpenMMLab
packages are named with their scope, for example ``mmpretrain.RandomErasing``.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import EVALUATOR as MMENGINE_EVALUATOR
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOG_PROCESSORS as MMENGINE_LOG_PROCESSORS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODEL_WRAPPERS as MMENGINE_MODEL_WRAPPERS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import (
    OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
)
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import OPTIMIZERS as MMENGINE_OPTIMIZERS
from mmengine.registry import PARAM_SCHEDULERS as MMENGINE_PARAM_SCHEDULERS
from mmengine.registry import RUNNERS as MMENGINE_RUNNERS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISBACKENDS as MMENGINE_VISBACKENDS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import WEIGHT_INITIALIZERS as MMENGINE_INITIALIZERS
from mmengine.registry import Registry


def _child(parent: Registry, location: str) -> Registry:
    """Open a registry of mmgl that is filled from one subpackage."""
    return Registry(parent.name, parent=parent, locations=[location])


DATASETS = _child(MMENGINE_DATASETS, 'mmgl.datasets')
DATA_SAMPLERS = _child(MMENGINE_DATA_SAMPLERS, 'mmgl.datasets.samplers')
TRANSFORMS = _child(MMENGINE_TRANSFORMS, 'mmgl.datasets.transforms')

# Backbones, necks, heads, losses, models and data preprocessors.
MODELS = _child(MMENGINE_MODELS, 'mmgl.models')
BACKBONES = MODELS
NECKS = MODELS
HEADS = MODELS
LOSSES = MODELS

METRICS = _child(MMENGINE_METRICS, 'mmgl.evaluation.metrics')

# What the Runner builds. Those without parts of mmgl are there because
# mmengine warns at each look-up in a scope that has no such registry.
HOOKS = _child(MMENGINE_HOOKS, 'mmgl.engine')
OPTIM_WRAPPERS = _child(MMENGINE_OPTIM_WRAPPERS, 'mmgl.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS, 'mmgl.engine'
)
OPTIMIZERS = _child(MMENGINE_OPTIMIZERS, 'mmgl.engine')
PARAM_SCHEDULERS = _child(MMENGINE_PARAM_SCHEDULERS, 'mmgl.engine')
RUNNERS = _child(MMENGINE_RUNNERS, 'mmgl.engine')
LOOPS = _child(MMENGINE_LOOPS, 'mmgl.engine')
LOG_PROCESSORS = _child(MMENGINE_LOG_PROCESSORS, 'mmgl.engine')
MODEL_WRAPPERS = _child(MMENGINE_MODEL_WRAPPERS, 'mmgl.engine')
FUNCTIONS = _child(MMENGINE_FUNCTIONS, 'mmgl.engine')
EVALUATOR = _child(MMENGINE_EVALUATOR, 'mmgl.engine')
VISUALIZERS = _child(MMENGINE_VISUALIZERS, 'mmgl.engine')
VISBACKENDS = _child(MMENGINE_VISBACKENDS, 'mmgl.engine')
WEIGHT_INITIALIZERS = _child(MMENGINE_INITIALIZERS, 'mmgl.engine')

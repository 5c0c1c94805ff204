"""Registries of mmgl: children of mmengine's, filled lazily from locations.

A component is found under the scope ``mmgl``; parts of other OpenMMLab
packages are named with their scope, for example ``mmpretrain.RandomErasing``.
"""

import mmengine.registry as parents
from mmengine.registry import Registry


def _child(parent: Registry, location: str) -> Registry:
    """Open a registry of mmgl that is filled from one subpackage."""
    return Registry(parent.name, parent=parent, locations=[location])


DATASETS = _child(parents.DATASETS, 'mmgl.datasets')
DATA_SAMPLERS = _child(parents.DATA_SAMPLERS, 'mmgl.datasets.samplers')
TRANSFORMS = _child(parents.TRANSFORMS, 'mmgl.datasets.transforms')

# What makes batches of samples.
FUNCTIONS = _child(parents.FUNCTIONS, 'mmgl.datasets')

# Backbones, necks, heads, losses, models and data preprocessors.
MODELS = _child(parents.MODELS, 'mmgl.models')
HEADS = MODELS
LOSSES = MODELS

METRICS = _child(parents.METRICS, 'mmgl.evaluation.metrics')

# What the Runner builds. Those without parts of mmgl are there because
# mmengine warns at each look-up in a scope that has no such registry.
HOOKS = _child(parents.HOOKS, 'mmgl.engine')
OPTIM_WRAPPERS = _child(parents.OPTIM_WRAPPERS, 'mmgl.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    parents.OPTIM_WRAPPER_CONSTRUCTORS, 'mmgl.engine'
)
OPTIMIZERS = _child(parents.OPTIMIZERS, 'mmgl.engine')
PARAM_SCHEDULERS = _child(parents.PARAM_SCHEDULERS, 'mmgl.engine')
RUNNERS = _child(parents.RUNNERS, 'mmgl.engine')
LOOPS = _child(parents.LOOPS, 'mmgl.engine')
LOG_PROCESSORS = _child(parents.LOG_PROCESSORS, 'mmgl.engine')
MODEL_WRAPPERS = _child(parents.MODEL_WRAPPERS, 'mmgl.engine')
EVALUATOR = _child(parents.EVALUATOR, 'mmgl.engine')
VISUALIZERS = _child(parents.VISUALIZERS, 'mmgl.engine')
VISBACKENDS = _child(parents.VISBACKENDS, 'mmgl.engine')
WEIGHT_INITIALIZERS = _child(parents.WEIGHT_INITIALIZERS, 'mmgl.engine')

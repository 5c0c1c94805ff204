"""Where the components that a config names are found."""

from collections.abc import Mapping
from typing import Any

import mmengine.registry as nodes
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.fileio import get_file_backend
from mmengine.registry import Registry

from mmgl.utils.errors import ConfigError, nearest, one_line

# Where the `type` under a key is looked up; elsewhere as at the parent.
REGISTRY_OF_KEY: dict[str, Registry] = {
    'model': nodes.MODELS,
    'data_preprocessor': nodes.MODELS,
    'model_wrapper_cfg': nodes.MODEL_WRAPPERS,
    'init_cfg': nodes.WEIGHT_INITIALIZERS,
    'dataset': nodes.DATASETS,
    'sampler': nodes.DATA_SAMPLERS,
    'batch_sampler': nodes.DATA_SAMPLERS,
    'pipeline': nodes.TRANSFORMS,
    'transforms': nodes.TRANSFORMS,
    'optim_wrapper': nodes.OPTIM_WRAPPERS,
    'optimizer': nodes.OPTIMIZERS,
    'param_scheduler': nodes.PARAM_SCHEDULERS,
    'default_hooks': nodes.HOOKS,
    'custom_hooks': nodes.HOOKS,
    'val_evaluator': nodes.METRICS,
    'test_evaluator': nodes.METRICS,
    'visualizer': nodes.VISUALIZERS,
    'vis_backends': nodes.VISBACKENDS,
    'log_processor': nodes.LOG_PROCESSORS,
    'train_cfg': nodes.LOOPS,
    'val_cfg': nodes.LOOPS,
    'test_cfg': nodes.LOOPS,
    'collate_fn': nodes.FUNCTIONS,
    'worker_init_fn': nodes.FUNCTIONS,
}
# Parts that mean nothing to a component but to who builds it.
KEYS_OF_BUILDER = {
    nodes.HOOKS: {'priority'},
    nodes.OPTIM_WRAPPERS: {'constructor', 'paramwise_cfg'},
    nodes.PARAM_SCHEDULERS: {'convert_to_iter_based'},
    nodes.LOOPS: {'by_epoch'},
}
# Their type is no component.
PLAIN = frozenset({'clip_grad'})
# What the Runner builds where no type is given.
_DEFAULT_TYPES = {
    'model_wrapper_cfg': 'MMDistributedDataParallel',
    'optim_wrapper': 'OptimWrapper',
    'visualizer': 'Visualizer',
    'log_processor': 'LogProcessor',
    'val_cfg': 'ValLoop',
    'test_cfg': 'TestLoop',
}


def type_of(value: Mapping[str, Any], key: str) -> Any:
    """Return the type of what stands under a key; None where it has none."""
    if 'type' in value:
        return value['type']
    if key == 'train_cfg' and 'by_epoch' in value:
        return f'{"Epoch" if value["by_epoch"] else "Iter"}BasedTrainLoop'
    if key == 'optim_wrapper' and 'optimizer' not in value:
        return None
    return _DEFAULT_TYPES.get(key)


def check_scope(scope: Any, path: str) -> None:
    """Refuse a package that would be imported because a config names it."""
    root = nodes.MODELS
    known = {root.scope, *root.children, *MODULE2PACKAGE}
    if scope not in known:
        raise ConfigError(
            f'{path}: no package of components is called {scope!r}'
            f'{nearest(str(scope), known)}; import it by custom_imports in '
            'the config file'
        )


def find_component(kind: Any, registry: Registry, path: str) -> Any:
    """Look a component up as its builder would.

    mmengine also imports and calls any function by its full name, such as
    os.system: only what is registered is a component.
    """
    if not isinstance(kind, str):
        if callable(kind):
            return kind
        raise ConfigError(f'{path}.type must name a component, got {kind!r}')
    scope, dot, _ = kind.partition('.')
    if dot:
        check_scope(scope, f'{path}.type')
    with registry.switch_scope_and_registry(None) as node:
        try:
            component = node.get(kind)
        except RuntimeError:
            component = None
    root = node
    while root.parent is not None:
        root = root.parent
    if component is not None and _is_registered(component, root):
        return component
    names = {*node.module_dict, *root.module_dict}
    raise ConfigError(
        f'{path}.type: no {node.name} is called {kind!r}{nearest(kind, names)}'
    )


def _is_registered(component: Any, registry: Registry) -> bool:
    """Tell whether a registry or one below it has a component."""
    return component in registry.module_dict.values() or any(
        _is_registered(component, child)
        for child in registry.children.values()
    )


def check_backend(value: Any, path: str) -> None:
    """Check settings of a file backend, as mmengine would read them."""
    try:
        get_file_backend(backend_args=dict(value))
    except Exception as error:  # as its constructor says it
        raise ConfigError(
            f"{path} must be such as dict(backend='atomic'), got {value!r} "
            f'({one_line(error)})'
        ) from None

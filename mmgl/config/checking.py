"""Finds mistakes in a config before anything is built.

A wrong key of a component, which mmengine would report from deep inside or,
behind ``**kwargs``, not at all, is named with its path in the config and the
nearest right one.
"""

import difflib
import inspect
import os.path as osp
from collections.abc import Iterable, Mapping
from typing import Any

import mmengine.registry as nodes
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

from .signatures import Signature, expected_scalar, read_signature

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
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
LOADER_KEYS = set(inspect.signature(DataLoader.__init__).parameters) - {
    'self'
} | {'num_batch_per_epoch', 'disable_subprocess_warning'}
# Keys at the top that are no arguments of the Runner but read by it.
TOP_KEYS = (
    set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
) | {
    'model_wrapper_cfg',
    'find_unused_parameters',
    'sync_bn',
    'compile',
    'activation_checkpointing',
    'efficient_conv_bn_eval',
    'runner_type',
}
# Keys of env_cfg: tf32 is read by build_runner, the others by the Runner.
ENV_KEYS = {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit', 'tf32'}


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``' (did you mean ...?)'`` for the nearest word, or nothing.

    Args:
        word: What was written.
        words: What exists.
        cutoff: Similarity from which a word counts as near.

    Returns:
        Text to add to a message.
    """
    found = difflib.get_close_matches(word, sorted(words), 1, cutoff)
    return f' (did you mean {found[0]!r}?)' if found else ''


def check_config(cfg) -> None:
    """Check every component and path of a config.

    Args:
        cfg: The whole config, a ``mmengine.Config`` or a dict.

    Raises:
        ConfigError: In one sentence, for the first mistake.
    """
    with registry_scope(cfg.get('default_scope', 'mmgl')):
        for key, value in cfg.items():
            _check_top_key(key)
            if key in LOADERS:
                _check_loader(value, key)
            elif key in REGISTRY_OF_KEY and key != 'data_preprocessor':
                _check_value(value, key, REGISTRY_OF_KEY[key])
    for key in LOADERS:
        _check_data_roots(cfg.get(key), key)
    _check_environment(cfg.get('env_cfg') or {})
    _check_checkpoints(cfg)


def _check_top_key(key: str) -> None:
    """Complain about a near miss; configs may have variables of their own."""
    if key not in TOP_KEYS:
        hint = nearest(key, TOP_KEYS, 0.88)
        if hint:
            raise ConfigError(f'config: unknown key {key!r}{hint}')


def _check_environment(settings: Mapping) -> None:
    """Refuse keys of env_cfg that nothing would read."""
    for key in settings:
        if key not in ENV_KEYS:
            raise ConfigError(
                f'env_cfg: unknown key {key!r}{nearest(key, ENV_KEYS)}'
            )
    tf32 = settings.get('tf32')
    if tf32 is not None and not isinstance(tf32, bool):
        raise ConfigError(
            f'env_cfg.tf32 must be True, False or None, got {tf32!r}'
        )


def _check_value(value: Any, path: str, registry: Registry) -> None:
    """Check all components in a value, which may be nested."""
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check_value(item, f'{path}.{number}', registry)
    elif isinstance(value, Mapping):
        scope = value.get('_scope_')
        if scope is not None:
            with registry_scope(scope):
                _check_mapping(value, path, registry)
        else:
            _check_mapping(value, path, registry)


def _check_mapping(value: Mapping, path: str, registry: Registry) -> None:
    """Check a dict: as a component if it has a type, then its values."""
    if 'type' in value:
        _check_component(value, path, registry)
    # Without a type the keys are names, such as those of hooks and heads.
    named = 'type' not in value and registry is not nodes.OPTIM_WRAPPERS
    for key, item in value.items():
        _check_value(
            item,
            f'{path}.{key}',
            registry if named else REGISTRY_OF_KEY.get(key, registry),
        )


def _check_component(value: Mapping, path: str, registry: Registry) -> None:
    """Check type, keys and plain values of one component."""
    kind = value['type']
    component = _find(kind, registry, path) if isinstance(kind, str) else kind
    if not callable(component):
        raise ConfigError(f'{path}.type must name a component, got {kind!r}')
    signature = read_signature(component)
    known = set(signature.parameters) | KEYS_OF_BUILDER.get(registry, set())
    for key, item in value.items():
        if key in ('type', '_scope_'):
            continue
        if key not in known:
            _complain_unknown(key, known, signature, path, component)
        elif key in signature.parameters:
            expected = expected_scalar(signature, key, item)
            if expected:
                raise ConfigError(
                    f'{path}.{key} of {component.__name__} must be '
                    f'{expected}, got {item!r}'
                )


def _complain_unknown(
    key: str, known: set[str], signature: Signature, path: str, component
) -> None:
    """Refuse a key; of an open constructor only a near miss."""
    hint = nearest(key, known, 0.8 if signature.is_open else 0.6)
    if signature.is_open and not hint:
        return
    listing = '' if hint else f' (it takes {", ".join(sorted(known))})'
    raise ConfigError(
        f'{path}: {component.__name__} has no argument '
        f'{key!r}{hint or listing}'
    )


def _find(name: str, registry: Registry, path: str) -> Any:
    """Look a component up as its builder would."""
    with registry.switch_scope_and_registry(None) as node:
        try:
            component = node.get(name)
        except RuntimeError:
            component = None
        if component is not None:
            return component
        names, parent = set(), node
        while parent is not None:
            names |= set(parent.module_dict)
            parent = parent.parent
    raise ConfigError(
        f'{path}.type: no {node.name} is called {name!r}{nearest(name, names)}'
    )


def _check_loader(value: Any, path: str) -> None:
    """Check a data loader and the components in it."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ConfigError(f'{path} must be a dict, got {value!r}')
    for key in value:
        if key not in LOADER_KEYS:
            raise ConfigError(
                f'{path}: a data loader has no argument '
                f'{key!r}{nearest(key, LOADER_KEYS)}'
            )
    for key in ('dataset', 'sampler', 'batch_sampler', 'collate_fn'):
        _check_value(value.get(key), f'{path}.{key}', REGISTRY_OF_KEY[key])
    _check_batch_size(value, path)


def _check_batch_size(loader: Mapping, path: str) -> None:
    """Compare the batch sizes of a loader and of a sampler that has one.

    Samplers that compute theirs are checked when the loader is built.
    """
    sampler = loader.get('sampler')
    if not isinstance(sampler, Mapping) or 'batch_size' not in loader:
        return
    component = sampler.get('type')
    if isinstance(component, str):
        component = _find(component, REGISTRY_OF_KEY['sampler'], path)
    parameter = read_signature(component).parameters.get('batch_size')
    if parameter is None:
        return
    size = sampler.get('batch_size', parameter.default)
    if size != loader['batch_size']:
        raise ConfigError(
            f'{path}.batch_size is {loader["batch_size"]} but '
            f'{path}.sampler.batch_size is {size}; set both alike'
        )


def _check_data_roots(value: Any, path: str) -> None:
    """Check that the folders of all data sets in a loader exist."""
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check_data_roots(item, f'{path}.{number}')
    elif isinstance(value, Mapping):
        root = value.get('data_root')
        if root and not osp.isdir(root):
            layout = 'regdb' if 'RegDB' in str(value.get('type')) else 'sysu'
            raise ConfigError(
                f'{path}.data_root: there is no folder {root!r}; put or link '
                f'the data set there, name its place by --cfg-options '
                f'{path}.data_root=FOLDER, or write synthetic data with '
                f'python tools/dataset_converters/make_synthetic.py '
                f'--root {root} --layout {layout}'
            )
        for key, item in value.items():
            _check_data_roots(item, f'{path}.{key}')


def _check_checkpoints(cfg) -> None:
    """Check that the checkpoint files named in the config exist."""
    init = (cfg.get('model') or {}).get('init_from')
    if isinstance(init, Mapping) and 'checkpoint' in init:
        _check_file(
            init['checkpoint'],
            'model.init_from.checkpoint',
            '--init-checkpoint PATH',
        )
    if cfg.get('load_from'):
        _check_file(cfg['load_from'], 'load_from', '--resume PATH')


def _check_file(path: str | None, key: str, option: str) -> None:
    """Check that a local file is named and exists."""
    if not path:
        raise ConfigError(f'{key} is not set; name a checkpoint by {option}')
    if '://' not in str(path) and not osp.isfile(osp.expanduser(path)):
        raise ConfigError(
            f'{key}: there is no file {str(path)!r}; correct it or give '
            f'{option}'
        )

"""Finds mistakes in a config before anything is built.

A wrong key of a component, which mmengine would report from deep inside or,
behind ``**kwargs``, not at all, is named with its path in the config and the
nearest right one.
"""

import difflib
import inspect
import os.path as osp
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import mmengine.registry as nodes
from mmengine.registry import Registry
from torch.utils.data import DataLoader

from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError

from .keys import ENV_KEYS, LOADERS, TOP_KEYS
from .signatures import expected_scalar, read_signature

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
LOADER_KEYS = {
    *inspect.signature(DataLoader).parameters,
    'num_batch_per_epoch',
    'disable_subprocess_warning',
}


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``' (did you mean ...?)'`` for the nearest word, or nothing.

    ``cutoff`` is the similarity in [0, 1] from which a word counts as near.
    """
    found = difflib.get_close_matches(word, sorted(words), 1, cutoff)
    return f' (did you mean {found[0]!r}?)' if found else ''


def check_config(cfg: Mapping[str, Any]) -> None:
    """Check every component and path of a config (``Config`` or dict).

    Raises:
        ConfigError: In one sentence, for the first mistake.
    """
    with registry_scope(cfg.get('default_scope', 'mmgl')):
        for key, value in cfg.items():
            # Configs may have variables: only a near miss is a mistake.
            if key not in TOP_KEYS and (hint := nearest(key, TOP_KEYS, 0.88)):
                raise ConfigError(f'config: unknown key {key!r}{hint}')
            if key in LOADERS:
                _check_loader(value, key)
            elif key in REGISTRY_OF_KEY and key != 'data_preprocessor':
                _check_value(value, key, REGISTRY_OF_KEY[key])
    for key in LOADERS:
        _check_data_roots(cfg.get(key), key)
    _check_environment(cfg.get('env_cfg') or {})
    _check_checkpoints(cfg)


def _refuse_others(
    given: Iterable[str], known: Collection[str], complaint: str
) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f'{complaint} {key!r}{nearest(key, known)}')


def _check_environment(settings: Mapping[str, Any]) -> None:
    """Refuse keys of env_cfg that nothing would read."""
    _refuse_others(settings, ENV_KEYS, 'env_cfg: unknown key')
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
        with registry_scope(scope) if scope else nullcontext():
            if 'type' in value:
                _check_component(value, path, registry)
            # Without a type keys are names, such as those of hooks and heads.
            named = 'type' not in value and registry != nodes.OPTIM_WRAPPERS
            for key, item in value.items():
                below = REGISTRY_OF_KEY.get('' if named else key, registry)
                _check_value(item, f'{path}.{key}', below)


def _check_component(
    value: Mapping[str, Any], path: str, registry: Registry
) -> None:
    """Check type, keys and plain values of one component."""
    component = _find(value['type'], registry, path)
    name = getattr(component, '__name__', component)
    signature = read_signature(component)
    known = {*signature.parameters, *KEYS_OF_BUILDER.get(registry, ())}
    for key, item in value.items():
        if key in ('type', '_scope_'):
            continue
        if key in signature.parameters:
            if expected := expected_scalar(signature, key, item):
                raise ConfigError(
                    f'{path}.{key} of {name} must be {expected}, got {item!r}'
                )
        elif key not in known:
            # Of an open constructor only a near miss is a mistake.
            hint = nearest(key, known, 0.8 if signature.is_open else 0.6)
            if hint or not signature.is_open:
                hint = hint or f' (it takes {", ".join(sorted(known))})'
                raise ConfigError(
                    f'{path}: {name} has no argument {key!r}{hint}'
                )


def _find(kind: Any, registry: Registry, path: str) -> Any:
    """Look a component up as its builder would."""
    if not isinstance(kind, str):
        if callable(kind):
            return kind
        raise ConfigError(f'{path}.type must name a component, got {kind!r}')
    with registry.switch_scope_and_registry(None) as node:
        try:
            if component := node.get(kind):
                return component
        except RuntimeError:
            pass
    names: set[str] = set()
    parent: Registry | None = node
    while parent is not None:
        names |= set(parent.module_dict)
        parent = parent.parent
    raise ConfigError(
        f'{path}.type: no {node.name} is called {kind!r}{nearest(kind, names)}'
    )


def _check_loader(value: Any, path: str) -> None:
    """Check a data loader and the components in it."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ConfigError(f'{path} must be a dict, got {value!r}')
    _refuse_others(
        value, LOADER_KEYS, f'{path}: a data loader has no argument'
    )
    for key in ('dataset', 'sampler', 'batch_sampler', 'collate_fn'):
        _check_value(value.get(key), f'{path}.{key}', REGISTRY_OF_KEY[key])
    _check_batch_size(value, path)


def _check_batch_size(loader: Mapping[str, Any], path: str) -> None:
    """Compare the batch sizes of a loader and of a sampler that has one.

    Samplers that compute theirs are checked when the loader is built.
    """
    sampler, size = loader.get('sampler'), loader.get('batch_size')
    if not isinstance(sampler, Mapping) or size is None:
        return
    component = _find(sampler.get('type'), nodes.DATA_SAMPLERS, path)
    parameter = read_signature(component).parameters.get('batch_size')
    if parameter is None:
        return
    other = sampler.get('batch_size', parameter.default)
    if size != other:
        raise ConfigError(
            f'{path}.batch_size is {size} but {path}.sampler.batch_size is '
            f'{other}; set both alike'
        )


def _check_data_roots(value: Any, path: str) -> None:
    """Check that the folders of all data sets in a loader exist."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return
    root = value.get('data_root')
    if root and not osp.isdir(root):
        layout = 'regdb' if 'RegDB' in str(value.get('type')) else 'sysu'
        raise ConfigError(
            f'{path}.data_root: there is no folder {root!r}; put or link the '
            f'data set there, name its place by --cfg-options '
            f'{path}.data_root=FOLDER, or write synthetic data with '
            f'python tools/dataset_converters/make_synthetic.py '
            f'--root {root} --layout {layout}'
        )
    for key, item in value.items():
        _check_data_roots(item, f'{path}.{key}')


def _check_checkpoints(cfg: Mapping[str, Any]) -> None:
    """Check that the local checkpoints named in the config exist."""
    init = (cfg.get('model') or {}).get('init_from')
    named = [('load_from', cfg.get('load_from'), '--resume PATH')]
    if isinstance(init, Mapping) and 'checkpoint' in init:
        key, option = 'model.init_from.checkpoint', '--init-checkpoint PATH'
        if not init['checkpoint']:
            raise ConfigError(
                f'{key} is not set; name a checkpoint by {option}'
            )
        named.insert(0, (key, init['checkpoint'], option))
    for key, path, option in named:
        if not path or '://' in str(path):
            continue
        if not osp.isfile(osp.expanduser(path)):
            raise ConfigError(
                f'{key}: there is no file {str(path)!r}; correct it or give '
                f'{option}'
            )

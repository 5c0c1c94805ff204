"""Finds mistakes in a config before anything is built.

A setting that nothing reads, which mmengine would report from deep inside or
not at all, is named with its path in the config and the nearest right one;
so is a value that cannot be.
"""

import os.path as osp
import typing
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from types import NoneType
from typing import Any

import mmengine.registry as nodes
from mmengine.registry import Registry
from mmengine.runner.priority import Priority, get_priority

from mmgl.checkpoints.fit import check_init_from
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError, nearest

from .classes import AUTO
from .classes import KEY as COUNTED
from .components import (
    KEYS_OF_BUILDER,
    PLAIN,
    REGISTRY_OF_KEY,
    check_backend,
    check_scope,
    find_component,
    type_of,
)
from .keys import HOOKS, LOADERS, TOP_KEYS, ByParameter, Run
from .numbers import check_numbers
from .schedule import check_schedule
from .signatures import describe, expected_kind, fits, read_signature

# Layout in which people are drawn, where it is not that of SYSU-MM01.
_LAYOUTS = {'RegDB': 'regdb', 'LLCM': 'llcm', 'ReIDTable': ''}


def check_config(cfg: Mapping[str, Any]) -> None:
    """Check every setting and path of a config (``Config`` or dict).

    Raises:
        ConfigError: In one sentence, for the first mistake.
    """
    check_settings(cfg)
    check_files(cfg)


def check_files(cfg: Mapping[str, Any]) -> None:
    """Check that the folders and files that a config names are there.

    Raises:
        ConfigError: In one sentence, for the first that is not.
    """
    for key in LOADERS:
        _check_data_roots(cfg.get(key), key)
    _check_checkpoints(cfg)


def check_sections(cfg: Mapping[str, Any]) -> None:
    """Check names and kinds of what stands at the top of a config.

    Raises:
        ConfigError: In one sentence, for the first mistake.
    """
    for key in cfg:
        # Configs may have variables: only a near miss is a mistake.
        if key not in TOP_KEYS and (hint := nearest(key, TOP_KEYS, 0.88)):
            raise ConfigError(f'config: unknown key {key!r}{hint}')
    _check_keys({key: cfg[key] for key in cfg if key in TOP_KEYS}, Run)


def check_settings(cfg: Mapping[str, Any]) -> None:
    """Check every setting, but not whether the files named are there.

    Raises:
        ConfigError: In one sentence, for the first mistake.
    """
    check_sections(cfg)
    sections = {key: cfg[key] for key in cfg if key in TOP_KEYS}
    scope = sections.get('default_scope', 'mmgl')
    check_scope(scope, 'default_scope')
    with registry_scope(scope):
        for key, value in sections.items():
            if key in LOADERS and value is not None:
                for part in [p for p in value if p in REGISTRY_OF_KEY]:
                    registry = REGISTRY_OF_KEY[part]
                    _check_value(value[part], f'{key}.{part}', registry, part)
                _check_batch_size(value, key)
            elif key in REGISTRY_OF_KEY and key != 'data_preprocessor':
                _check_value(value, key, REGISTRY_OF_KEY[key], key)
            check_numbers(value, key, key)
        if 'runner_type' in sections:
            find_component(sections['runner_type'], nodes.RUNNERS, 'runner')
        wrapper = sections.get('optim_wrapper') or {}
        if 'constructor' in wrapper:
            registry = nodes.OPTIM_WRAPPER_CONSTRUCTORS
            find_component(wrapper['constructor'], registry, 'optim_wrapper')
        if 'paramwise_cfg' in wrapper:
            path = 'optim_wrapper.paramwise_cfg'
            _check_keys(wrapper['paramwise_cfg'], ByParameter, path)
        check_schedule(sections)
    try:
        check_init_from((sections.get('model') or {}).get('init_from'))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_keys(value: Mapping[str, Any], kind: Any, path: str = '') -> None:
    """Check names and kinds of what a TypedDict describes."""
    if not isinstance(value, Mapping):
        raise ConfigError(f'{path} must be a dict, got {value!r}')
    hints = typing.get_type_hints(kind)
    for key, item in value.items():
        if key not in hints:
            hint = nearest(key, hints)
            raise ConfigError(f'{path}: unknown key {key!r}{hint}')
        where, hint = f'{path}.{key}' if path else key, hints[key]
        options = typing.get_args(hint) or (hint,)
        nested = [h for h in options if typing.is_typeddict(h)]
        if nested and not (item is None and NoneType in options):
            _check_keys(item, nested[0], where)
        elif not fits(item, hint):
            raise ConfigError(
                f'{where} must be {describe(hint)}, got {item!r}'
            )


def _check_value(
    value: Any, path: str, registry: Registry, key: str = ''
) -> None:
    """Check all components in a value, which may be nested.

    ``key`` is the name it stands under if that is one of components.
    """
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check_value(item, f'{path}.{number}', registry, key)
    elif isinstance(value, Mapping):
        scope = value.get('_scope_')
        if scope:
            check_scope(scope, f'{path}._scope_')
        with registry_scope(scope) if scope else nullcontext():
            kind = type_of(value, key)
            if kind is None:
                _check_named(value, path, registry, key)
                return
            component = find_component(kind, registry, path)
            more = KEYS_OF_BUILDER.get(registry, set())
            _check_arguments(value, path, component, more)
            if registry is nodes.HOOKS:
                _check_priority(value, path)
            for name, item in value.items():
                known = name if name in REGISTRY_OF_KEY else ''
                below = REGISTRY_OF_KEY.get(name, registry)
                if name not in PLAIN:
                    _check_value(item, f'{path}.{name}', below, known)
    elif key and isinstance(value, bool | int | float | str):
        raise ConfigError(f'{path} must be a dict with a type, got {value!r}')


def _check_named(
    value: Mapping[str, Any], path: str, registry: Registry, key: str
) -> None:
    """Check a dict without a type: keys are names, as of hooks and heads."""
    typed = {
        k for k, v in value.items() if isinstance(v, Mapping) and 'type' in v
    }
    if key in REGISTRY_OF_KEY and not (
        typed or key == 'default_hooks' or 'metrics' in value
    ):
        raise ConfigError(f'{path} has no type')
    hooks = key == 'default_hooks'
    for name, item in value.items():
        untyped = isinstance(item, Mapping) and name not in typed
        if untyped and (typed or hooks):
            hint = nearest(name, typed)
            raise ConfigError(f'{path}.{name} has no type{hint}')
        if hooks and item is None and name not in HOOKS:
            hint = nearest(name, HOOKS)
            raise ConfigError(f'{path}.{name}: no such hook to remove{hint}')
        _check_value(item, f'{path}.{name}', registry, key if hooks else '')


def _check_priority(value: Mapping[str, Any], path: str) -> None:
    """Check the rank of a hook, a number or a name."""
    try:
        get_priority(value.get('priority', 'NORMAL'))
    except (KeyError, TypeError, ValueError):
        names = ', '.join(Priority.__members__)
        raise ConfigError(
            f'{path}.priority must be one of {names} or a number from 0 to '
            f'100, got {value["priority"]!r}'
        ) from None


def _check_arguments(
    value: Mapping[str, Any],
    path: str,
    component: Any,
    more: Collection[str] = (),
) -> None:
    """Check names and kinds of the arguments of one component."""
    name = getattr(component, '__name__', component)
    signature = read_signature(component)
    known = {*signature.parameters, *more}
    for key, item in value.items():
        if key in ('type', '_scope_'):
            continue
        if (key, item) == (COUNTED, AUTO):
            continue
        if key == 'backend_args' and item is not None:
            check_backend(item, f'{path}.{key}')
        if key in signature.parameters:
            if kind := expected_kind(signature, key, item):
                raise ConfigError(
                    f'{path}.{key} of {name} must be {kind}, got {item!r}'
                )
        elif key not in known:
            # Of an open constructor only a near miss is a mistake.
            hint = nearest(key, known, 0.8 if signature.is_open else 0.6)
            if hint or not signature.is_open:
                hint = hint or f' (it takes {", ".join(sorted(known))})'
                raise ConfigError(
                    f'{path}: {name} has no argument {key!r}{hint}'
                )


def _check_batch_size(loader: Mapping[str, Any], path: str) -> None:
    """Compare the batch sizes of a loader and of a sampler that has one.

    Samplers that compute theirs are checked when the loader is built.
    """
    sampler, size = loader.get('sampler'), loader.get('batch_size')
    if not isinstance(sampler, Mapping) or size is None:
        return
    component = find_component(sampler['type'], nodes.DATA_SAMPLERS, path)
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
        kind = str(value.get('type')).rpartition('.')[2]
        layout = _LAYOUTS.get(kind, 'sysu')
        drawn = (
            ', or write synthetic data with python '
            'tools/dataset_converters/make_synthetic.py --root '
            f'{root} --layout {layout}'
        )
        raise ConfigError(
            f'{path}.data_root: there is no folder {root!r}; put or link the '
            f'data set there, name its place by --cfg-options '
            f'{path}.data_root=FOLDER{drawn if layout else ""}'
        )
    for key, item in value.items():
        _check_data_roots(item, f'{path}.{key}')


def _check_checkpoints(cfg: Mapping[str, Any]) -> None:
    """Check that the local checkpoints named in the config exist."""
    init = (cfg.get('model') or {}).get('init_from')
    # A test has its checkpoint there, too.
    option = '--resume PATH' if cfg.get('train_cfg') else 'another checkpoint'
    named = [('load_from', cfg.get('load_from'), option)]
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

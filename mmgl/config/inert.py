"""Configs that come out of weight files: data, never code."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from mmgl.registry import MODELS, TRANSFORMS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError


def parse_config(text: str, source: str) -> Config:
    """Read the text of a config as a checkpoint's ``meta`` holds it.

    It is Python as mmengine prints it: assignments of literals and
    ``dict(...)``. Nothing else is understood, and nothing is executed.

    Raises:
        ConfigError: If there is anything else in it.
    """
    try:
        body = ast.parse(text).body
        values = {
            statement.targets[0].id: _value(statement.value)  # type: ignore
            for statement in body
        }
    except (
        SyntaxError,
        AttributeError,
        TypeError,
        ValueError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ConfigError(
            f'{source} holds a config that is more than settings ({error}); '
            'give the config of the model'
        ) from None
    return Config(values)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict':
            raise ValueError(f'a call in line {node.lineno}')
        # dict(a=1), or dict({'a.b': 1}) where a key is no identifier.
        given = _value(node.args[0]) if len(node.args) == 1 else {}
        named = {pair.arg: _value(pair.value) for pair in node.keywords}
        if len(node.args) > 1 or None in named:
            raise ValueError(f'an unknown dict in line {node.lineno}')
        return {**given, **named}
    if isinstance(node, ast.Dict):
        return {
            ast.literal_eval(key) if key else None: _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
        }
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    return ast.literal_eval(node)


def check_types(settings: Any, source: str) -> None:
    """Refuse types that are no models, parts of one or transforms.

    mmengine imports whatever else a ``type`` names, and calls it.

    Raises:
        ConfigError: If there is one.
    """
    with registry_scope():
        for name in _types(settings):
            if not isinstance(name, str) or not _known(name):
                raise ConfigError(
                    f'{source}: type {name!r} is no model, no part of one '
                    'and no transform; files may not name anything else'
                )


def _types(settings: Any) -> Iterator[Any]:
    """Walk over all types of nested settings."""
    if isinstance(settings, Mapping):
        # A scope is a package, which would be imported too.
        yield from (settings[k] for k in ('type', '_scope_') if k in settings)
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        for part in settings:
            yield from _types(part)


def _known(name: str) -> bool:
    """Look a name up in the registries, which then import nothing for it."""
    scope, _, short = name.rpartition('.')
    registries: list[Registry | None] = [MODELS, TRANSFORMS]
    if scope == 'mmpretrain':
        from mmpretrain import registry as theirs

        registries = [theirs.MODELS, theirs.TRANSFORMS]
    elif scope not in ('', MODELS.scope):
        return False
    for registry in registries:
        while registry is not None:
            registry.import_from_location()
            if short in registry.module_dict:
                return True
            registry = registry.parent
    return False

"""Changes of a config by dotted keys, or by a key wherever it stands."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from mmengine.config import Config

from mmgl.utils.errors import ConfigError, nearest, one_line

from .keys import LOADERS, TOP_KEYS

ANYWHERE = '*.'
# What a run is built from; other keys of a config are scratch.
SECTIONS = ('model', *LOADERS)
# So many places are listed one by one.
FEW = 3
# What mmengine raises for a path that leads nowhere.
_UNMERGED = (TypeError, KeyError, ValueError, AttributeError)


def find_key(node: object, key: str, prefix: str = '') -> list[str]:
    """List the dotted paths of a key in nested dicts and lists."""
    if isinstance(node, list | tuple):
        node = dict(enumerate(node))
    found: list[str] = []
    for name, value in node.items() if isinstance(node, dict) else ():
        path = f'{prefix}{name}'
        found += [path] if name == key else find_key(value, key, path + '.')
    return found


def expand(
    config: Mapping[str, Any], overrides: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Replace ``*.KEY`` by all dotted paths of that key.

    It is looked for in model and data loaders of ``config``, to which plain
    overrides have been applied; ``where`` names it in the message.

    Raises:
        ConfigError: If a key is nowhere.
    """
    plain = {}
    for key, value in overrides.items():
        if not key.startswith(ANYWHERE):
            plain[key] = value
            continue
        name = key.removeprefix(ANYWHERE)
        paths = [
            f'{section}.{path}'
            for section in SECTIONS
            for path in find_key(config.get(section), name)
        ]
        if not paths:
            raise ConfigError(
                f'{where} has no key {name!r} in {", ".join(SECTIONS)}, so '
                f'{key!r} = {value!r} changes nothing; correct the override.'
            )
        plain.update(dict.fromkeys(paths, value))
    return plain


def _walk(node: object, prefix: str = '') -> Iterator[tuple[str, str, Any]]:
    """Yield path, name and value of all there is in nested dicts and lists."""
    if isinstance(node, list | tuple):
        node = dict(enumerate(node))
    for name, value in node.items() if isinstance(node, dict) else ():
        yield f'{prefix}{name}', str(name), value
        yield from _walk(value, f'{prefix}{name}.')


def real_key(cfg: Mapping[str, Any], variable: str) -> str:
    """Say where a run reads what a variable of the config's files stands for.

    The files have put its value there when they were read.
    """
    places = list(_walk({key: cfg[key] for key in TOP_KEYS & cfg.keys()}))
    paths = [path for path, name, _ in places if name == variable]
    same = cfg.get(variable)
    if not paths and same and isinstance(same, dict | list):
        paths = [path for path, _, value in places if value == same]
    if not paths:
        return nearest(variable, TOP_KEYS)
    paths.sort()
    more = f", or '{ANYWHERE}{variable}' for all" if len(paths) > FEW else ''
    return f'; the key is {" or ".join(paths[:FEW])}{more}'


def refuse_unread(
    cfg: Mapping[str, Any],
    keys: Iterable[str],
    variables: Collection[str] = (),
) -> None:
    """Refuse dotted keys below what neither a Runner nor the caller reads.

    Raises:
        ConfigError: For the first one, naming the key that is read.
    """
    for key in keys:
        top = key.partition('.')[0]
        anywhere = key.startswith(ANYWHERE)
        if not anywhere and top not in TOP_KEYS and top not in variables:
            raise ConfigError(
                f'--cfg-options {key}: nothing reads {top!r}'
                f'{real_key(cfg, top)}'
            )


def apply_overrides(
    cfg: Config,
    overrides: Mapping[str, Any] | None,
    where: str,
    variables: Collection[str] = (),
) -> None:
    """Change a config in place as ``--cfg-options`` asks for.

    ``variables`` of the config are read by the caller, beside the keys of a
    Runner; ``where`` names the config in messages.

    Raises:
        ConfigError: If nothing reads a key, a ``*.KEY`` is nowhere, or a path
            leads into what is no dict or list.
    """
    overrides = overrides or {}
    plain = {k: v for k, v in overrides.items() if not k.startswith(ANYWHERE)}
    refuse_unread(cfg, overrides, variables)
    try:
        cfg.merge_from_dict(plain)
        if len(plain) < len(overrides):
            cfg.merge_from_dict(expand(cfg, overrides, where))
    except ConfigError:
        raise
    except _UNMERGED as error:
        raise ConfigError(
            f'--cfg-options {_culprit(cfg, plain)}: {one_line(error)[:200]}'
        ) from error


def drop_channels_last(cfg: Mapping[str, Any]) -> None:
    """Take its hook out of a config that has None for it.

    The Runner takes None for its own hooks only.
    """
    hooks = cfg.get('default_hooks') or {}
    if hooks.get('channels_last', '') is None:
        del hooks['channels_last']


def _culprit(cfg: Config, overrides: Mapping[str, Any]) -> str:
    """Name the first key that cannot be merged, or all if each can."""
    for key, value in overrides.items():
        try:
            deepcopy(cfg).merge_from_dict({key: value})
        except _UNMERGED:
            return key
    return ' '.join(overrides)

"""Changes of a config by dotted keys, or by a key wherever it stands."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmgl.utils.errors import ConfigError

from .keys import LOADERS

ANYWHERE = '*.'
# What a run is built from; other keys of a config are scratch.
SECTIONS = ('model', *LOADERS)


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


def apply_overrides(
    cfg: Config, overrides: Mapping[str, Any] | None, where: str
) -> None:
    """Change a config in place as ``--cfg-options`` asks for.

    Raises:
        ConfigError: If a ``*.KEY`` is nowhere, or a path leads into what is
            no dict or list.
    """
    overrides = overrides or {}
    plain = {k: v for k, v in overrides.items() if not k.startswith(ANYWHERE)}
    try:
        cfg.merge_from_dict(plain)
        if len(plain) < len(overrides):
            cfg.merge_from_dict(expand(cfg, overrides, where))
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f'--cfg-options: {error}') from error

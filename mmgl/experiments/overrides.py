"""Overrides by the name of a key, wherever it stands."""

from collections.abc import Mapping
from typing import Any

ANYWHERE = '*.'
# What a run is built from; other keys of a config are scratch.
SECTIONS = ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader')


def find_key(node: Any, key: str, prefix: str = '') -> list[str]:
    """List the dotted paths of a key in nested dicts and lists."""
    if isinstance(node, dict):
        items = list(node.items())
    elif isinstance(node, list | tuple):
        items = list(enumerate(node))
    else:
        return []
    found = []
    for name, value in items:
        path = f'{prefix}{name}'
        found += [path] if name == key else find_key(value, key, path + '.')
    return found


def expand(
    config: Mapping[str, Any], overrides: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Replace ``*.KEY`` by the dotted paths of that key.

    It stands for all keys of that name in model and data loaders of the
    config, to which the plain overrides have been applied.

    Raises:
        ValueError: If a key is nowhere in the config, named ``where``.
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
            raise ValueError(
                f'{where} has no key {name!r} in {", ".join(SECTIONS)}, so '
                f'{key!r} = {value!r} changes nothing; correct the override.'
            )
        plain.update(dict.fromkeys(paths, value))
    return plain

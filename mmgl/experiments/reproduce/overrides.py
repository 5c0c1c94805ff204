"""Overrides by the name of a key, wherever it stands."""

from collections.abc import Mapping

from mmengine.config import Config

from mmgl.experiments.jobs import find_key

ANYWHERE = '*.'
# What a run is built from; other keys of a config are scratch.
SECTIONS = ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader')


def expand(config: Config, overrides: Mapping, where: str) -> dict:
    """Replace ``*.KEY`` by the dotted paths of that key.

    Args:
        config: The config they change, with the plain overrides applied.
        overrides: Dotted keys and values; ``*.KEY`` stands for all keys of
            that name in model and data loaders.
        where: Name of the config, for the message.

    Returns:
        The same with plain dotted keys only.

    Raises:
        ValueError: If a key is nowhere.
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

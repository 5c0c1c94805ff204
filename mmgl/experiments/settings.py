"""Configs of runs: read, changed, placed, and what of them decides."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmgl.config.keys import LOADERS, TOP_KEYS
from mmgl.config.overrides import (
    apply_overrides,
    drop_channels_last,
    expand,
    find_key,
)

from .methods import Overrides

_EVALUATORS = ('val_evaluator', 'test_evaluator')
# What a run reports and how; its result does not depend on them.
_REPORTING = ('log_level', 'log_processor', 'vis_backends', 'visualizer')
_REPORTING_HOOKS = ('logger', 'runtime_info', 'timer', 'visualization')


def what_decides(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a config what the result of its run does not depend on.

    That is what the run only reports by, and the variables at the top that
    files of ``_base_`` offer to one another; where one is used, its value
    stands in the model, a data loader and so on.
    """
    keys = TOP_KEYS.difference(_REPORTING)
    kept = {key: value for key, value in config.items() if key in keys}
    if hooks := kept.get('default_hooks'):
        names = [name for name in hooks if name not in _REPORTING_HOOKS]
        kept['default_hooks'] = {name: hooks[name] for name in names}
    return kept


class Settings:
    """Configs with data sets in ``roots``, by layout.

    ``workers`` are processes that load images, None as the configs say.
    """

    def __init__(self, roots: Mapping[str, Path], workers: int | None) -> None:
        self.roots = roots
        self.workers = workers
        self._read: dict[Path, Config] = {}

    def read(
        self, path: Path, changes: Overrides
    ) -> tuple[Config, dict[str, Any]]:
        """Read a config and change it; gives the changes without ``*.KEY``.

        Files are read once, since many stages change the same few.
        """
        if path not in self._read:
            if not path.is_file():
                raise FileNotFoundError(f'Config {path} does not exist.')
            self._read[path] = Config.fromfile(path, lazy_import=False)
        config = copy.deepcopy(self._read[path])
        apply_overrides(config, changes, str(path))
        drop_channels_last(config)
        return config, expand(config, changes, str(path))

    def place(
        self, config: Config, changes: Overrides, layout: str
    ) -> dict[str, Any]:
        """Add to changes what says where and by how many, and changes none."""
        placed, root = dict(changes), self.roots.get(layout)
        for section in (*LOADERS, *_EVALUATORS) if root else ():
            for key in find_key(config.get(section), 'data_root'):
                placed[f'{section}.{key}'] = root
        # Whoever watches needs the hook that writes the progress file.
        hooks = [config.get('default_hooks'), config.get('custom_hooks')]
        if 'ProgressHook' not in repr(hooks):
            placed['default_hooks.progress.type'] = 'ProgressHook'
        for section in LOADERS if self.workers is not None else ():
            if config.get(section):
                placed[f'{section}.num_workers'] = self.workers
                if self.workers == 0:
                    placed[f'{section}.persistent_workers'] = False
        return placed

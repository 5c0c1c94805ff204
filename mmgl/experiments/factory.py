"""Stages that write data, train and evaluate, from configs."""

import copy
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmgl.config.keys import TOP_KEYS
from mmgl.datasets.synthetic import GENERATOR_VERSION

from .overrides import find_key
from .stage import Stage, find_checkpoint

# Seed of the embedded data set; runs with different seeds share the images.
DATA_SEED = 0
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
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
    kept = {
        key: value
        for key, value in config.items()
        if key in TOP_KEYS and key not in _REPORTING
    }
    if kept.get('default_hooks'):
        kept['default_hooks'] = {
            key: value
            for key, value in kept['default_hooks'].items()
            if key not in _REPORTING_HOOKS
        }
    return kept


class StageFactory:
    """Makes the stages of a job.

    ``root`` is the folder with ``tools`` and ``configs``, to which configs
    are relative; ``workers`` are processes that load images, by default those
    of the configs. Data roots are None where the configs have it. Every
    description of a stage is its name, title, kind and seconds.
    """

    def __init__(
        self, root: Path, work_dir: Path, workers: int | None = None
    ) -> None:
        self.root = root
        self.work_dir = work_dir
        self.workers = workers
        self._parsed: dict[Path, Config] = {}

    def config(self, path: str, overrides: Mapping[str, Any]) -> Config:
        """Read a config, once, since many stages change the same few.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        file = self.root / path
        if file not in self._parsed:
            if not file.is_file():
                raise FileNotFoundError(f'Config {file} does not exist.')
            self._parsed[file] = Config.fromfile(file, lazy_import=False)
        config = copy.deepcopy(self._parsed[file])
        config.merge_from_dict(dict(overrides))
        return config

    def data(
        self,
        data_root: Path,
        preset: str,
        seconds: float,
        layout: str = 'sysu',
    ) -> Stage:
        """Write the embedded data set of a layout, 'sysu' or 'regdb'."""
        workers = os.cpu_count() if self.workers is None else self.workers
        name, title = 'data', 'write the embedded data set'
        ingredients = {
            'preset': preset,
            'seed': DATA_SEED,
            'generator': GENERATOR_VERSION,
        }
        if layout != 'sysu':
            name, title = f'data-{layout}', f'{title} ({layout})'
            ingredients['layout'] = layout
        tool = self.root / 'tools/dataset_converters/make_synthetic.py'
        options = {
            '--root': data_root,
            '--layout': layout,
            '--preset': preset,
            '--seed': DATA_SEED,
            '--workers': max(workers or 1, 1),
        }
        return Stage(
            name=name,
            title=title,
            kind='data',
            work_dir=self.work_dir / name,
            ingredients=ingredients,
            command=[sys.executable, tool, '--quiet', *_words(options)],
            outputs=[data_root / 'synthetic.json'],
            seconds=seconds,
        )

    def train(
        self,
        config: str,
        overrides: Mapping[str, Any],
        seed: int,
        data_root: Path | None = None,
        init: str | None = None,
        source: Stage | None = None,
        init_options: Mapping[str, Any] | None = None,
        needs: Sequence[Stage] = (),
        **description: Any,
    ) -> Stage:
        """Train by ``tools/train.py`` with ``--init init``.

        The last checkpoint of ``source`` is the initial weights;
        ``init_options`` change ``model.init_from``.
        """
        cfg = self.config(config, overrides)
        work_dir = self.work_dir / description['name']
        ingredients = {'config': what_decides(cfg.to_dict()), 'seed': seed}
        options: dict[str, Any] = {
            '--work-dir': work_dir,
            '--seed': seed,
            '--resume': 'auto',
        }
        if init is not None:
            ingredients['init'] = options['--init'] = init
        if source is not None:
            options['--init-checkpoint'] = _Checkpoint(source)
        placed = dict(overrides)
        if init_options:
            ingredients['init_options'] = dict(init_options)
            for key, value in init_options.items():
                placed[f'model.init_from.{key}'] = value
        placed |= self._placement(cfg, data_root)
        return Stage(
            work_dir=work_dir,
            ingredients=ingredients,
            needs=[*needs, *([source] if source else [])],
            command=[
                sys.executable,
                self.root / 'tools/train.py',
                self.root / config,
                *_words(options),
                *_cfg_options(placed),
            ],
            outputs=[work_dir / 'last_checkpoint'],
            config=str(self.root / config),
            seed=seed,
            **description,
        )

    def evaluate(
        self,
        config: str,
        overrides: Mapping[str, Any],
        trained: Stage,
        data_root: Path | None = None,
        dump: bool = True,
        ingredients: dict[str, Any] | None = None,
        **description: Any,
    ) -> Stage:
        """Test the last checkpoint of a training by ``tools/test.py``.

        The first output holds the metrics, with ``dump`` the second one the
        features; ``ingredients`` are what the result depends on besides.
        """
        cfg = self.config(config, overrides)
        work_dir = self.work_dir / description['name']
        outputs = [work_dir / 'metrics.json']
        placed = {**overrides, **self._placement(cfg, data_root)}
        if dump:
            outputs.append(work_dir / 'features.npz')
            several = isinstance(cfg.get('test_evaluator'), list | tuple)
            key = 'test_evaluator.0.dump' if several else 'test_evaluator.dump'
            placed[key] = outputs[1]
        return Stage(
            work_dir=work_dir,
            ingredients=ingredients or {},
            needs=[trained],
            command=[
                sys.executable,
                self.root / 'tools/test.py',
                self.root / config,
                _Checkpoint(trained),
                *_words({'--work-dir': work_dir, '--out': outputs[0]}),
                *_cfg_options(placed),
            ],
            outputs=outputs,
            config=str(self.root / config),
            seed=trained.seed,
            **description,
        )

    def _placement(
        self, config: Config, data_root: Path | None
    ) -> dict[str, Any]:
        """Overrides that say where and by how many, and change no result."""
        placed: dict[str, Any] = {}
        if data_root is not None:
            for section in (*_LOADERS, *_EVALUATORS):
                for path in find_key(config.get(section), 'data_root'):
                    placed[f'{section}.{path}'] = data_root
        # Whoever watches needs the hook that writes the progress file.
        hooks = [config.get('default_hooks'), config.get('custom_hooks')]
        if 'ProgressHook' not in repr(hooks):
            placed['default_hooks.progress.type'] = 'ProgressHook'
        for section in _LOADERS if self.workers is not None else ():
            if config.get(section):
                placed[f'{section}.num_workers'] = self.workers
                if self.workers == 0:
                    placed[f'{section}.persistent_workers'] = False
        return placed


def _words(options: Mapping[str, Any]) -> list[Any]:
    return [word for pair in options.items() for word in pair]


def _cfg_options(overrides: Mapping[str, Any]) -> list[str]:
    words = [f'{key}={value}' for key, value in overrides.items()]
    return ['--cfg-options', *words] if words else []


class _Checkpoint:
    """Looks the checkpoint of a stage up when its user starts."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(self) -> Path:
        return find_checkpoint(self.stage.work_dir)

"""Stages that write data, train and evaluate, from configs."""

import copy
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.config import Config

from mmgl.config.keys import TOP_KEYS
from mmgl.config.overrides import find_key
from mmgl.datasets.synthetic import GENERATOR_VERSION

from .stage import Stage, find_checkpoint

# Seed of the embedded data set; runs with different seeds share the images.
DATA_SEED = 0
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_EVALUATORS = ('val_evaluator', 'test_evaluator')
# What a run reports and how; its result does not depend on them.
_REPORTING = ('log_level', 'log_processor', 'vis_backends', 'visualizer')
_REPORTING_HOOKS = ('logger', 'runtime_info', 'timer', 'visualization')


def read_config(path: Path, overrides: dict) -> Config:
    """Read a config and change it.

    Args:
        path: The file.
        overrides: Dotted keys and values.

    Returns:
        The config.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f'Config {path} does not exist.')
    config = Config.fromfile(path, lazy_import=False)
    config.merge_from_dict(overrides)
    return config


def what_decides(config: dict) -> dict:
    """Leave out of a config what the result of its run does not depend on.

    That is what the run only reports by, and the variables at the top that
    files of ``_base_`` offer to one another; where one is used, its value
    stands in the model, a data loader and so on.

    Args:
        config: A whole config; not changed.

    Returns:
        The rest.
    """
    kept = {
        k: v
        for k, v in config.items()
        if k in TOP_KEYS and k not in _REPORTING
    }
    if kept.get('default_hooks'):
        kept['default_hooks'] = {
            k: v
            for k, v in kept['default_hooks'].items()
            if k not in _REPORTING_HOOKS
        }
    return kept


def _cfg_options(overrides: dict) -> list[str]:
    if not overrides:
        return []
    return ['--cfg-options', *(f'{k}={v}' for k, v in overrides.items())]


def _dump_key(config: Config) -> str:
    if isinstance(config.get('test_evaluator'), list | tuple):
        return 'test_evaluator.0.dump'
    return 'test_evaluator.dump'


class StageFactory:
    """Makes the stages of a job.

    Args:
        root: Folder with ``tools`` and ``configs``.
        work_dir: Folder of all stages; a stage's own is named after it.
        workers: Processes that load images; None leaves it to the configs.
    """

    def __init__(
        self, root: Path, work_dir: Path, workers: int | None = None
    ) -> None:
        self.root = root
        self.work_dir = work_dir
        self.workers = workers
        self._parsed: dict[Path, Config] = {}

    def config(self, path: str, overrides: dict) -> Config:
        """Read a config once, since many stages change the same few.

        Args:
            path: The file, absolute or relative to the root.
            overrides: Dotted keys and values.

        Returns:
            The config, changed.
        """
        path = self.root / path
        if path not in self._parsed:
            self._parsed[path] = read_config(path, {})
        config = copy.deepcopy(self._parsed[path])
        config.merge_from_dict(overrides)
        return config

    def data(
        self,
        data_root: Path,
        preset: str,
        seconds: float,
        layout: str = 'sysu',
    ) -> Stage:
        """Write the embedded data set.

        Args:
            data_root: Where to.
            preset: Its size.
            seconds: Expected duration.
            layout: 'sysu' or 'regdb'.

        Returns:
            The stage.
        """
        workers = self.workers
        if workers is None:
            workers = os.cpu_count() or 1
        ingredients = {
            'preset': preset,
            'seed': DATA_SEED,
            'generator': GENERATOR_VERSION,
        }
        name, title, extra = 'data', 'write the embedded data set', []
        if layout != 'sysu':
            ingredients['layout'] = layout
            name, title = f'data-{layout}', f'{title} ({layout})'
            extra = ['--layout', layout]
        return Stage(
            name=name,
            title=title,
            kind='data',
            work_dir=self.work_dir / name,
            ingredients=ingredients,
            command=[
                sys.executable,
                '-m',
                'mmgl.experiments.jobs.write_data',
                '--root',
                data_root,
                '--preset',
                preset,
                '--seed',
                DATA_SEED,
                '--workers',
                max(workers, 1),
                *extra,
            ],
            outputs=[data_root / 'synthetic.json'],
            seconds=seconds,
        )

    def train(
        self,
        config: str,
        overrides: dict,
        seed: int,
        data_root: Path | None = None,
        init: str | None = None,
        source: Stage | None = None,
        init_options: dict | None = None,
        needs: Sequence[Stage] = (),
        **description,
    ) -> Stage:
        """Train by ``tools/train.py``.

        Args:
            config: Config, relative to the root.
            overrides: Dotted keys that change it.
            seed: Seed of the run.
            data_root: Folder of all its data sets; None as in the config.
            init: Initial weights, as ``--init``.
            source: Training whose last checkpoint is the initial weights.
            init_options: Changes of ``model.init_from``, by its keys.
            needs: Stages before it, besides ``source``.
            **description: name, title, kind and seconds of the stage.

        Returns:
            The stage.
        """
        path = self.root / config
        cfg = self.config(config, overrides)
        work_dir = self.work_dir / description['name']
        extra: list = [] if init is None else ['--init', init]
        if source is not None:
            extra += ['--init-checkpoint', _checkpoint_of(source)]
        options = {
            f'model.init_from.{key}': value
            for key, value in (init_options or {}).items()
        }
        placed = {**overrides, **options, **self._placement(cfg, data_root)}
        return Stage(
            work_dir=work_dir,
            ingredients={
                'config': what_decides(cfg.to_dict()),
                'seed': seed,
                **({} if init is None else {'init': init}),
                **({'init_options': init_options} if init_options else {}),
            },
            needs=[*needs, *([] if source is None else [source])],
            command=[
                sys.executable,
                self.root / 'tools/train.py',
                path,
                '--work-dir',
                work_dir,
                '--seed',
                seed,
                '--resume',
                'auto',
                *extra,
                *_cfg_options(placed),
            ],
            outputs=[work_dir / 'last_checkpoint'],
            config=str(path),
            seed=seed,
            **description,
        )

    def evaluate(
        self,
        config: str,
        overrides: dict,
        trained: Stage,
        data_root: Path | None = None,
        dump: bool = True,
        ingredients: dict | None = None,
        **description,
    ) -> Stage:
        """Evaluate by ``tools/test.py``.

        Args:
            config: Config, relative to the root.
            overrides: Dotted keys that change it.
            trained: Training whose last checkpoint is tested.
            data_root: Folder of all its data sets; None as in the config.
            dump: Keep the features too.
            ingredients: What the result depends on besides ``trained``.
            **description: name, title, kind and seconds of the stage.

        Returns:
            The stage; its first output holds the metrics.
        """
        path = self.root / config
        cfg = self.config(config, overrides)
        work_dir = self.work_dir / description['name']
        outputs = [work_dir / 'metrics.json']
        placed = {**overrides, **self._placement(cfg, data_root)}
        if dump:
            outputs.append(work_dir / 'features.npz')
            placed[_dump_key(cfg)] = outputs[1]
        return Stage(
            work_dir=work_dir,
            ingredients=ingredients or {},
            needs=[trained],
            command=[
                sys.executable,
                self.root / 'tools/test.py',
                path,
                _checkpoint_of(trained),
                '--work-dir',
                work_dir,
                '--out',
                outputs[0],
                *_cfg_options(placed),
            ],
            outputs=outputs,
            config=str(path),
            seed=trained.seed,
            **description,
        )

    def _placement(self, config: Config, data_root: Path | None) -> dict:
        """Overrides that say where and by how many, and change no result."""
        placed = {}
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


def _checkpoint_of(stage: Stage) -> Callable[[], Path]:
    """Look the checkpoint of a stage up when its user starts."""
    return lambda: find_checkpoint(stage.work_dir)

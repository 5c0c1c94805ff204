"""From cells to stages; what cells share is run once."""

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mmgl.datasets.synthetic import GENERATOR_VERSION

from .cells import Cell, find_config
from .methods import DATASETS, METHODS, SCALES, Dataset, Overrides, Scale
from .pretrainings import PRETRAININGS
from .settings import Settings, what_decides
from .stage import Stage, find_checkpoint

# Seed of the embedded data set; runs with different seeds share the images.
DATA_SEED = 0


class Planner:
    """Plans the stages of cells.

    ``root`` is the folder with ``tools`` and ``configs``, ``roots`` are the
    folders of the data sets by layout, ``overrides`` change every training,
    ``measured`` are seconds of earlier runs by kind and name of the config,
    ``size`` is that of ``scale`` where it is another one, ``workers`` are
    processes that load images, by default as the configs say.
    """

    def __init__(
        self,
        root: Path,
        work_dir: Path,
        scale: str,
        roots: Mapping[str, Path] | None = None,
        overrides: Overrides | None = None,
        measured: Mapping[tuple[str, str], float] | None = None,
        size: Scale | None = None,
        workers: int | None = None,
    ) -> None:
        self.root = root
        self.work_dir = work_dir
        self.scale = scale
        self.roots = roots or {}
        self.overrides = overrides or {}
        self.measured = measured or {}
        self.size = size or SCALES[scale]
        self.workers = workers
        self._settings = Settings(root, self.roots, workers)
        self._made: dict[str, Stage] = {}

    def name_of(self, cell: Cell, step: str) -> str:
        """Name a stage of a cell: 'finetune', 'evaluate' or 'features'."""
        return f'{cell.name}/{step}'

    def name_of_pretraining(self, name: str, seed: int) -> str:
        """Name a pre-training."""
        return f'pretrain/{name}_seed{seed}'

    def evaluation(self, cell: Cell, dump: bool = False) -> Stage:
        """Return the last stage of a cell, linked to all before it.

        Its first output holds the metrics; with ``dump`` it is a stage of its
        own, whose second output holds the features.
        """
        name = self.name_of(cell, 'features' if dump else 'evaluate')
        if name in self._made:
            return self._made[name]
        trained = self.finetuning(cell)
        config, dataset, changes = self._tested(cell)
        changes = self._settings.expand(config, changes)
        outputs = [self.work_dir / name / 'metrics.json']
        cfg = self._settings.read(config, changes)
        placed = self._settings.place(cfg, changes, dataset.root)
        if dump:
            outputs.append(self.work_dir / name / 'features.npz')
            several = isinstance(cfg.get('test_evaluator'), list | tuple)
            key = 'test_evaluator.0.dump' if several else 'test_evaluator.dump'
            placed[key] = outputs[1]
        return self._make(
            'evaluate',
            name,
            cell.title,
            config,
            ['test.py', _checkpoint(trained), '--out', outputs[0]],
            placed,
            ingredients={'init': cell.init},
            needs=[trained],
            outputs=outputs,
            seed=cell.seed,
        )

    def finetuning(self, cell: Cell) -> Stage:
        """Return the fine-tuning of a cell, linked to all before it."""
        config, dataset, changes = self._tested(cell)
        source, start = None, {}
        about = PRETRAININGS[cell.scale].get(cell.init)
        if about is not None:
            stream = METHODS[cell.method].stream
            source = self.pretraining(cell.init, stream, cell.seed, cell.trial)
            start = dict(about.init)
        return self._train(
            'finetune',
            self.name_of(cell, 'finetune'),
            cell.title,
            config,
            changes,
            cell.seed,
            dataset.root,
            dataset.share,
            cell.init if about is None else 'mmgl',
            source,
            start,
        )

    def pretraining(
        self, key: str, stream: str, seed: int, trial: int | None = None
    ) -> Stage:
        """Return a pre-training for a trial and the backbone of a method."""
        about = PRETRAININGS[self.scale][key]
        stream = about.stream or stream
        name, changes = f'{about.run or key}_{stream}', dict(about.overrides)
        if about.trials and trial is not None:
            name += f'_trial{trial}'
            changes['*.trial'] = trial
        return self._train(
            'pretrain',
            self.name_of_pretraining(name, seed),
            f'{about.title}, {stream}',
            about.config.format(stream=stream),
            changes,
            seed,
            about.source,
            about.share,
        )

    def _data(self, layout: str) -> list[Stage]:
        """Stages that write an embedded data set: one, or none."""
        if self.size.preset is None:
            return []
        name, title, root = 'data', 'write the embedded data set', self.roots
        ingredients = {
            'preset': self.size.preset,
            'seed': DATA_SEED,
            'generator': GENERATOR_VERSION,
        }
        if layout != 'sysu':
            name, title = f'data-{layout}', f'{title} ({layout})'
            ingredients['layout'] = layout
        workers = os.cpu_count() if self.workers is None else self.workers
        tool = self.root / 'tools/dataset_converters/make_synthetic.py'
        command = [sys.executable, tool, '--quiet', '--root', root[layout]]
        command += ['--layout', layout, '--preset', self.size.preset]
        command += ['--seed', DATA_SEED, '--workers', max(workers or 1, 1)]
        stage = Stage(name, title, 'data', self.work_dir / name, ingredients)
        stage.command, stage.seconds = command, self.size.seconds['data']
        stage.outputs = [root[layout] / 'synthetic.json']
        return [stage]

    def _tested(self, cell: Cell) -> tuple[str, Dataset, dict[str, Any]]:
        """Config and data set of a cell, and what else it changes."""
        dataset = DATASETS[cell.scale][cell.data]
        changes = dict(dataset.overrides)
        if cell.trial is not None:
            changes['*.trial'] = cell.trial
        config = find_config(self.root, cell.method, dataset.ending)
        return config, dataset, changes

    def _train(
        self,
        kind: str,
        name: str,
        title: str,
        config: str,
        changes: Overrides,
        seed: int,
        layout: str,
        share: float,
        init: str | None = None,
        source: Stage | None = None,
        start: Overrides | None = None,
    ) -> Stage:
        """Train from ``--init``, where ``start`` changes ``init_from``."""
        if name in self._made:
            return self._made[name]
        # What the user gives has the last word.
        size = self.size.changes.get(kind, {})
        changes = self._settings.expand(
            config, {**changes, **size, **self.overrides}
        )
        cfg = self._settings.read(config, changes)
        ingredients = {'config': what_decides(cfg.to_dict()), 'seed': seed}
        needs = self._data(layout)
        words = ['train.py', '--seed', seed, '--resume', 'auto']
        if init is not None:
            ingredients['init'] = init
            words += ['--init', init]
        if source is not None:
            needs.append(source)
            words += ['--init-checkpoint', _checkpoint(source)]
        placed = self._settings.place(cfg, changes, layout)
        if start:
            ingredients['init_options'] = dict(start)
            placed |= {f'model.init_from.{k}': v for k, v in start.items()}
        return self._make(
            kind,
            name,
            title,
            config,
            words,
            placed,
            share,
            ingredients=ingredients,
            needs=needs,
            outputs=[self.work_dir / name / 'last_checkpoint'],
            seed=seed,
        )

    def _make(
        self,
        kind: str,
        name: str,
        title: str,
        config: str,
        words: list[Any],
        options: Overrides,
        share: float = 1.0,
        **stage: Any,
    ) -> Stage:
        """Make a stage that runs a tool, with a guess of its duration."""
        verb = {'pretrain': 'pre-train', 'finetune': 'fine-tune'}.get(kind)
        path, (tool, *words) = self.root / config, words
        words += ['--work-dir', self.work_dir / name]
        if options:
            words += [
                '--cfg-options',
                *(f'{k}={v}' for k, v in options.items()),
            ]
        guess = self.size.seconds[kind] * share
        self._made[name] = Stage(
            name,
            f'{verb or kind} {title}',
            kind,
            self.work_dir / name,
            command=[sys.executable, self.root / 'tools' / tool, path, *words],
            seconds=self.measured.get((kind, path.name), guess),
            config=str(path),
            **stage,
        )
        return self._made[name]


def _checkpoint(stage: Stage) -> partial[Path]:
    """Look the checkpoint of a stage up when its user starts."""
    return partial(find_checkpoint, stage.work_dir)

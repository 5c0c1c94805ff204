"""From cells to stages; what cells share is run once."""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmgl.datasets.synthetic import GENERATOR_VERSION

from .cells import Cell, find_config
from .methods import DATASETS, METHODS, Dataset, Overrides
from .options import Options
from .pretrainings import PRETRAININGS
from .settings import Settings, what_decides
from .stage import Stage, find_checkpoint

# Seed of the embedded data set; runs with different seeds share the images.
DATA_SEED = 0
_VERBS = {'pretrain': 'pre-train', 'finetune': 'fine-tune'}


class Planner:
    """Plans the stages of cells at the scale of the options.

    ``measured`` are seconds of earlier runs by kind and name of the config;
    ``of_cells`` and ``of_pretrainings`` are patterns of names of stages.
    ``reads`` has the trials of each layout that was planned with.
    """

    def __init__(
        self,
        options: Options,
        measured: Mapping[tuple[str, str], float] | None = None,
        of_cells: str = '{cell.name}/{step}',
        of_pretrainings: str = 'pretrain/{name}_seed{seed}',
    ) -> None:
        self.options = options
        self.measured = measured or {}
        self.of_cells, self.of_pretrainings = of_cells, of_pretrainings
        self.reads: dict[str, set[int | None]] = {}
        self._settings = Settings(options.data_root, options.workers)
        self._made: dict[str, Stage] = {}

    def evaluation(self, cell: Cell, dump: str = '') -> Stage:
        """Return the last stage of a cell, linked to all before it.

        Its first output holds the metrics; ``dump`` names a stage of its own,
        whose second output holds the features.
        """
        name = self.of_cells.format(cell=cell, step=dump or 'evaluate')
        if name in self._made:
            return self._made[name]
        trained = self.finetuning(cell)
        stage, dataset, changes = self._of_cell(cell, 'evaluate', name)
        stage.ingredients['init'] = cell.init
        stage.needs = [trained]
        stage.outputs = [stage.work_dir / 'metrics.json']
        cfg, changes = self._settings.read(stage.config, changes)
        placed = self._settings.place(cfg, changes, dataset.root)
        if dump:
            stage.outputs.append(stage.work_dir / 'features.npz')
            several = isinstance(cfg.get('test_evaluator'), list | tuple)
            key = 'test_evaluator.0.dump' if several else 'test_evaluator.dump'
            placed[key] = stage.outputs[1]
        checkpoint = partial(find_checkpoint, trained.work_dir)
        words = [checkpoint, '--out', stage.outputs[0]]
        return self._use('test.py', stage, words, placed)

    def finetuning(self, cell: Cell) -> Stage:
        """Return the fine-tuning of a cell, linked to all before it."""
        name = self.of_cells.format(cell=cell, step='finetune')
        if name in self._made:
            return self._made[name]
        stage, dataset, changes = self._of_cell(cell, 'finetune', name)
        about = PRETRAININGS[cell.scale].get(cell.init)
        init = stage.ingredients['init'] = 'mmgl' if about else cell.init
        words: list[Any] = ['--init', init]
        if about:
            stream = METHODS[cell.method].stream
            source = self.pretraining(cell.init, stream, cell.seed, cell.trial)
            stage.needs = [source]
            checkpoint = partial(find_checkpoint, source.work_dir)
            words += ['--init-checkpoint', checkpoint]
            if about.init:
                stage.ingredients['init_options'] = dict(about.init)
        elif weights := self._imagenet(cell):
            words += ['--init-checkpoint', weights]
        start = about.start if about else {}
        return self._train(stage, dataset.root, changes, words, start)

    def pretraining(
        self, key: str, stream: str, seed: int, trial: int | None = None
    ) -> Stage:
        """Return a pre-training for a trial and the backbone of a method."""
        about = PRETRAININGS[self.options.scale][key]
        self.reads.setdefault(about.source, set()).add(trial)
        stream = about.stream or stream
        name, changes = f'{about.run or key}_{stream}', dict(about.overrides)
        if about.trials and trial is not None:
            name += f'_trial{trial}'
            changes['*.trial'] = trial
        name = self.of_pretrainings.format(name=name, seed=seed)
        if name in self._made:
            return self._made[name]
        title, config = f'{about.title}, {stream}', about.config
        config = config.format(stream=stream)
        stage = self._new('pretrain', name, title, config, seed, about.share)
        return self._train(stage, about.source, changes)

    def _imagenet(self, cell: Cell) -> Path | str | None:
        """Weights that `--init imagenet` does not take by itself."""
        if cell.init != 'imagenet':
            return None
        return self.options.imagenet or METHODS[cell.method].imagenet

    def _data(self, layout: str) -> list[Stage]:
        """Stages that write an embedded data set: one, or none."""
        options, preset = self.options, self.options.size.preset
        if preset is None:
            return []
        name, title = 'data', 'write the embedded data set'
        made_from = {'preset': preset, 'seed': DATA_SEED}
        made_from['generator'] = GENERATOR_VERSION
        if layout != 'sysu':
            name, title = f'data-{layout}', f'{title} ({layout})'
            made_from['layout'] = layout
        root, workers = options.data_root[layout], options.workers
        if workers is None:
            workers = os.cpu_count() or 1
        stage = Stage(name, title, 'data', options.work_dir / name, made_from)
        tool = options.root / 'tools/dataset_converters/make_synthetic.py'
        command = [sys.executable, tool, '--quiet', '--root', root]
        command += ['--layout', layout, '--preset', preset]
        command += ['--seed', DATA_SEED, '--workers', max(workers, 1)]
        stage.command, stage.seconds = command, options.size.seconds['data']
        stage.outputs = [root / 'synthetic.json']
        return [stage]

    def _of_cell(
        self, cell: Cell, kind: str, name: str
    ) -> tuple[Stage, Dataset, dict[str, Any]]:
        """Begin a stage of a cell; gives its data set and other changes."""
        dataset = DATASETS[cell.scale][cell.data]
        self.reads.setdefault(dataset.root, set()).add(cell.trial)
        changes = dict(dataset.overrides)
        if cell.trial is not None:
            changes['*.trial'] = cell.trial
        config = find_config(self.options.root, cell.method, dataset.ending)
        share = dataset.share if kind == 'finetune' else 1.0
        stage = self._new(kind, name, cell.title, config, cell.seed, share)
        return stage, dataset, changes

    def _new(
        self,
        kind: str,
        name: str,
        title: str,
        config: str,
        seed: int,
        share: float,
    ) -> Stage:
        """Begin a stage, with the best guess of its duration."""
        title = f'{_VERBS.get(kind, kind)} {title}'
        stage = Stage(name, title, kind, self.options.work_dir / name, {})
        stage.seed, stage.config = seed, self.options.root / config
        guess = self.options.size.seconds[kind] * share
        stage.seconds = self.measured.get((kind, stage.config.name), guess)
        self._made[name] = stage
        return stage

    def _train(
        self,
        stage: Stage,
        layout: str,
        changes: Overrides,
        words: Sequence[Any] = (),
        start: Overrides | None = None,
    ) -> Stage:
        """Let a stage train; ``start`` are changes of ``model.init_from``."""
        options, given = self.options, self.options.overrides
        # What the user gives has the last word, on a part of a key, too.
        size = {
            key: value
            for key, value in options.size.changes.get(stage.kind, {}).items()
            if not any(one.startswith(f'{key}.') for one in given)
        }
        changes = {**changes, **size, **given}
        cfg, changes = self._settings.read(stage.config, changes)
        stage.ingredients['config'] = what_decides(cfg.to_dict())
        stage.ingredients['seed'] = stage.seed
        stage.needs = [*self._data(layout), *stage.needs]
        stage.outputs = [stage.work_dir / 'last_checkpoint']
        changes.update(start or {})
        placed = self._settings.place(cfg, changes, layout)
        words = ['--seed', stage.seed, '--resume', 'auto', *words]
        return self._use('train.py', stage, words, placed)

    def _use(
        self, tool: str, stage: Stage, words: Sequence[Any], changes: Overrides
    ) -> Stage:
        """Let a stage run a tool with its config."""
        words = [*words, '--work-dir', stage.work_dir]
        if changes:
            changed = [f'{key}={value}' for key, value in changes.items()]
            words += ['--cfg-options', *changed]
        program = [sys.executable, self.options.root / 'tools' / tool]
        stage.command = [*program, stage.config, *words]
        return stage

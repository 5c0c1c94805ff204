"""From cells to stages; what cells share is run once."""

import os
import sys
from collections.abc import Mapping
from functools import partial
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


class Planner:
    """Plans the stages of cells at the scale of the options.

    ``measured`` are seconds of earlier runs by kind and name of the config.
    """

    def __init__(
        self,
        options: Options,
        measured: Mapping[tuple[str, str], float] | None = None,
    ) -> None:
        self.options = options
        self.measured = measured or {}
        self._settings = Settings(options.data_root, options.workers)
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
        stage = self._new('evaluate', name, cell.title, config, cell.seed)
        stage.ingredients = {'init': cell.init}
        stage.needs = [trained]
        stage.outputs = [stage.work_dir / 'metrics.json']
        cfg, changes = self._settings.read(str(stage.config), changes)
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
        name = self.name_of(cell, 'finetune')
        if name in self._made:
            return self._made[name]
        config, dataset, changes = self._tested(cell)
        stage = self._new(
            'finetune', name, cell.title, config, cell.seed, dataset.share
        )
        about = PRETRAININGS[cell.scale].get(cell.init)
        init = 'mmgl' if about else cell.init
        stage.ingredients['init'] = init
        words: list[Any] = ['--init', init]
        start: Overrides = {}
        if about:
            stream = METHODS[cell.method].stream
            source = self.pretraining(cell.init, stream, cell.seed, cell.trial)
            stage.needs.append(source)
            checkpoint = partial(find_checkpoint, source.work_dir)
            words += ['--init-checkpoint', checkpoint]
            start = about.start
            if start:
                stage.ingredients['init_options'] = dict(about.init)
        return self._train(stage, changes, dataset.root, words, start)

    def pretraining(
        self, key: str, stream: str, seed: int, trial: int | None = None
    ) -> Stage:
        """Return a pre-training for a trial and the backbone of a method."""
        about = PRETRAININGS[self.options.scale][key]
        stream = about.stream or stream
        name, changes = f'{about.run or key}_{stream}', dict(about.overrides)
        if about.trials and trial is not None:
            name += f'_trial{trial}'
            changes['*.trial'] = trial
        name = self.name_of_pretraining(name, seed)
        if name in self._made:
            return self._made[name]
        title, config = about.title, about.config.format(stream=stream)
        stage = self._new(
            'pretrain', name, f'{title}, {stream}', config, seed, about.share
        )
        return self._train(stage, changes, about.source, [], {})

    def _data(self, layout: str) -> list[Stage]:
        """Stages that write an embedded data set: one, or none."""
        options, preset = self.options, self.options.size.preset
        if preset is None:
            return []
        name, title = 'data', 'write the embedded data set'
        ingredients = {
            'preset': preset,
            'seed': DATA_SEED,
            'generator': GENERATOR_VERSION,
        }
        if layout != 'sysu':
            name, title = f'data-{layout}', f'{title} ({layout})'
            ingredients['layout'] = layout
        root, workers = options.data_root[layout], options.workers
        if workers is None:
            workers = os.cpu_count() or 1
        tool = options.root / 'tools/dataset_converters/make_synthetic.py'
        command = [sys.executable, tool, '--quiet', '--root', root]
        command += ['--layout', layout, '--preset', preset]
        command += ['--seed', DATA_SEED, '--workers', max(workers, 1)]
        stage = Stage(
            name, title, 'data', options.work_dir / name, ingredients
        )
        stage.command, stage.seconds = command, options.size.seconds['data']
        stage.outputs = [root / 'synthetic.json']
        return [stage]

    def _tested(self, cell: Cell) -> tuple[str, Dataset, dict[str, Any]]:
        """Config and data set of a cell, and what else it changes."""
        dataset = DATASETS[cell.scale][cell.data]
        changes = dict(dataset.overrides)
        if cell.trial is not None:
            changes['*.trial'] = cell.trial
        config = find_config(self.options.root, cell.method, dataset.ending)
        return config, dataset, changes

    def _new(
        self,
        kind: str,
        name: str,
        title: str,
        config: str,
        seed: int,
        share: float = 1.0,
    ) -> Stage:
        """Begin a stage, with the best guess of its duration."""
        verb = {'pretrain': 'pre-train', 'finetune': 'fine-tune'}.get(kind)
        path = self.options.root / config
        guess = self.options.size.seconds[kind] * share
        self._made[name] = Stage(
            name,
            f'{verb or kind} {title}',
            kind,
            self.options.work_dir / name,
            {},
            seconds=self.measured.get((kind, path.name), guess),
            config=str(path),
            seed=seed,
        )
        return self._made[name]

    def _train(
        self,
        stage: Stage,
        changes: Overrides,
        layout: str,
        words: list[Any],
        start: Overrides,
    ) -> Stage:
        """Let a stage train; ``start`` are changes of ``model.init_from``."""
        options = self.options
        size = options.size.changes.get(stage.kind, {})
        # What the user gives has the last word.
        changes = {**changes, **size, **options.overrides}
        cfg, changes = self._settings.read(str(stage.config), changes)
        stage.ingredients['config'] = what_decides(cfg.to_dict())
        stage.ingredients['seed'] = stage.seed
        stage.needs = [*self._data(layout), *stage.needs]
        stage.outputs = [stage.work_dir / 'last_checkpoint']
        placed = self._settings.place(cfg, {**changes, **start}, layout)
        words = ['--seed', stage.seed, '--resume', 'auto', *words]
        return self._use('train.py', stage, words, placed)

    def _use(
        self, tool: str, stage: Stage, words: list[Any], changes: Overrides
    ) -> Stage:
        """Let a stage run a tool with its config."""
        words = [*words, '--work-dir', stage.work_dir]
        if changes:
            changed = [f'{key}={value}' for key, value in changes.items()]
            words += ['--cfg-options', *changed]
        program = [sys.executable, self.options.root / 'tools' / tool]
        stage.command = [*program, stage.config, *words]
        return stage

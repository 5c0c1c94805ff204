"""From cells to stages; what cells share is run once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .cells import Cell, find_config
from .factory import StageFactory
from .methods import DATASETS, METHODS, SCALES, Overrides, Scale
from .overrides import ANYWHERE, expand
from .pretrainings import PRETRAININGS
from .stage import Stage


class Planner:
    """Plans the stages of cells.

    ``roots`` are the folders of the data sets by layout, ``overrides`` change
    every training, ``measured`` are seconds of earlier runs by kind and name
    of the config, ``size`` is that of ``scale`` where it is another one.
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
        self.size = size or SCALES[scale]
        self.roots = dict(roots or {})
        self.overrides = dict(overrides or {})
        self.measured = dict(measured or {})
        self.factory = StageFactory(root, work_dir, workers)
        self._made: dict[str, Stage] = {}

    def evaluation(self, cell: Cell, dump: bool = False) -> Stage:
        """Return the last stage of a cell, linked to all before it.

        Its first output holds the metrics; with ``dump`` it is a stage of its
        own, whose second output holds the features.
        """
        name = self.name_of(cell, 'features' if dump else 'evaluate')
        if name not in self._made:
            config, dataset, changes = self._tested(cell)
            self._made[name] = self.factory.evaluate(
                config,
                self._expand(config, changes, 'evaluate'),
                self.finetuning(cell),
                self.roots.get(dataset.root),
                dump=dump,
                ingredients={'init': cell.init},
                **self._describe('evaluate', name, cell.title, config),
            )
        return self._made[name]

    def finetuning(self, cell: Cell) -> Stage:
        """Return the fine-tuning of a cell, linked to all before it."""
        name = self.name_of(cell, 'finetune')
        if name in self._made:
            return self._made[name]
        config, dataset, changes = self._tested(cell)
        about = PRETRAININGS[cell.scale].get(cell.init)
        stream = METHODS[cell.method].stream
        self._made[name] = self.factory.train(
            config,
            self._expand(config, changes, 'finetune'),
            cell.seed,
            self.roots.get(dataset.root),
            init='mmgl' if about else cell.init,
            source=self.pretraining(cell.init, stream, cell.seed, cell.trial)
            if about
            else None,
            init_options=about.init if about else None,
            needs=self._data(dataset.root),
            **self._describe(
                'finetune', name, cell.title, config, dataset.share
            ),
        )
        return self._made[name]

    def pretraining(
        self, key: str, stream: str, seed: int, trial: int | None = None
    ) -> Stage:
        """Return a pre-training for a trial and the backbone of a method."""
        about = PRETRAININGS[self.scale][key]
        stream = about.stream or stream
        config = about.config.format(stream=stream)
        name, changes = f'{about.run or key}_{stream}', dict(about.overrides)
        if about.trials and trial is not None:
            name += f'_trial{trial}'
            changes['*.trial'] = trial
        name = self.name_of_pretraining(name, seed)
        if name not in self._made:
            title = f'{about.title}, {stream}'
            self._made[name] = self.factory.train(
                config,
                self._expand(config, changes, 'pretrain'),
                seed,
                self.roots.get(about.source),
                needs=self._data(about.source),
                **self._describe('pretrain', name, title, config, about.share),
            )
        return self._made[name]

    def name_of(self, cell: Cell, step: str) -> str:
        """Name a stage of a cell: 'finetune', 'evaluate' or 'features'."""
        return f'{cell.name}/{step}'

    def name_of_pretraining(self, name: str, seed: int) -> str:
        """Name a pre-training."""
        return f'pretrain/{name}_seed{seed}'

    def _tested(self, cell: Cell) -> tuple[str, Any, dict[str, Any]]:
        """Config and data set of a cell, and what else it changes."""
        dataset = DATASETS[cell.scale][cell.data]
        changes = dict(dataset.overrides)
        if cell.trial is not None:
            changes['*.trial'] = cell.trial
        return (
            find_config(self.root, cell.method, dataset.ending),
            dataset,
            changes,
        )

    def _expand(
        self, config: str, changes: Overrides, kind: str
    ) -> dict[str, Any]:
        """Resolve ``*.KEY``; what the user gives has the last word."""
        if kind != 'evaluate':
            size = self.size.changes.get(kind, {})
            changes = {**changes, **size, **self.overrides}
        plain = {
            key: value
            for key, value in changes.items()
            if not key.startswith(ANYWHERE)
        }
        if len(plain) == len(changes):
            return plain
        return expand(self.factory.config(config, plain), changes, config)

    def _describe(
        self, kind: str, name: str, title: str, config: str, share: float = 1.0
    ) -> dict[str, Any]:
        """Describe a stage, with the best guess of its duration."""
        verb = {'pretrain': 'pre-train', 'finetune': 'fine-tune'}.get(kind)
        guess = self.size.seconds[kind] * share
        return {
            'kind': kind,
            'name': name,
            'title': f'{verb or kind} {title}',
            'seconds': self.measured.get((kind, Path(config).name), guess),
        }

    def _data(self, layout: str) -> list[Stage]:
        """Stages that write an embedded data set: one, or none."""
        if self.size.preset is None:
            return []
        name = f'data/{layout}'
        if name not in self._made:
            self._made[name] = self.factory.data(
                self.roots[layout],
                self.size.preset,
                self.size.seconds['data'],
                layout,
            )
        return [self._made[name]]

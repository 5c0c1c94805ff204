"""From cells to stages; what cells share is run once."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mmgl.config.overrides import ANYWHERE, expand
from mmgl.experiments.jobs import Stage, StageFactory

from .cells import Cell, find_config
from .methods import DATASETS, METHODS, SCALES, Dataset
from .pretrainings import PRETRAININGS

# Dotted keys by name of the config and kind: seconds of earlier runs.
Measured = Mapping[tuple[str, str], float]


class Planner:
    """Plans the stages of cells.

    Args:
        root: Folder with ``tools`` and ``configs``.
        work_dir: Folder of all stages.
        scale: Key of ``SCALES``.
        roots: Folders of the data sets, by 'sysu' and 'regdb'; those of the
            configs where there is none.
        overrides: Dotted config keys that change every training.
        measured: Seconds of earlier runs by (kind, name of the config).
    """

    def __init__(
        self,
        root: Path,
        work_dir: Path,
        scale: str,
        roots: Mapping[str, Path] | None = None,
        overrides: Mapping | None = None,
        measured: Measured | None = None,
    ) -> None:
        self.root = root
        self.work_dir = work_dir
        self.scale = scale
        self.about = SCALES[scale]
        self.roots = dict(roots or {})
        self.overrides = dict(overrides or {})
        self.measured = dict(measured or {})
        self.factory = StageFactory(root, work_dir)
        self._made: dict[str, Stage] = {}

    def evaluation(self, cell: Cell, dump: bool = False) -> Stage:
        """Return the last stage of a cell, linked to all before it.

        Args:
            cell: The cell.
            dump: Keep the features too, in a stage of its own.

        Returns:
            The evaluation; its first output holds the metrics, with ``dump``
            its second the features.
        """
        name = f'{cell.name}/' + ('features' if dump else 'evaluate')
        if name in self._made:
            return self._made[name]
        trained = self.finetuning(cell)
        dataset = DATASETS[cell.scale][cell.data]
        changed = self._expand(
            trained.config, _changes(dataset, cell.trial), {}
        )
        return self._make(
            'evaluate',
            name,
            f'evaluate {cell.title}',
            trained.config,
            lambda **text: self.factory.evaluate(
                trained.config,
                changed,
                trained,
                self.roots.get(dataset.root),
                dump=dump,
                ingredients={'init': cell.init},
                **text,
            ),
        )

    def finetuning(self, cell: Cell) -> Stage:
        """Return the fine-tuning of a cell, linked to all before it.

        Args:
            cell: The cell.

        Returns:
            The training.
        """
        name = f'{cell.name}/finetune'
        if name in self._made:
            return self._made[name]
        dataset = DATASETS[cell.scale][cell.data]
        config = find_config(
            self.root, 'finetune', cell.method, dataset.ending
        )
        about = PRETRAININGS[cell.scale].get(cell.init)
        source, options = None, {}
        if about is not None:
            source = self.pretraining(
                cell.init, METHODS[cell.method].stream, cell.seed, cell.trial
            )
            options = dict(about.init)
        changed = self._expand(
            config, _changes(dataset, cell.trial), self.overrides
        )
        return self._make(
            'finetune',
            name,
            f'fine-tune {cell.title}',
            config,
            lambda **text: self.factory.train(
                config,
                changed,
                cell.seed,
                self.roots.get(dataset.root),
                init=cell.init if about is None else 'mmgl',
                source=source,
                init_options=options,
                needs=self._data(dataset.root),
                **text,
            ),
            self.about.seconds['finetune'] * dataset.share,
        )

    def pretraining(
        self, key: str, stream: str, seed: int, trial: int | None = None
    ) -> Stage:
        """Return a pre-training.

        Args:
            key: Key of ``PRETRAININGS``.
            stream: Backbone that the method wants.
            seed: Its seed.
            trial: Trial that it is fine-tuned on.

        Returns:
            The training.
        """
        about = PRETRAININGS[self.scale][key]
        stream = about.stream or stream
        config = about.config.format(stream=stream)
        name = f'pretrain/{about.run or key}_{stream}'
        overrides = dict(about.overrides)
        if about.trials and trial is not None:
            overrides['*.trial'] = trial
            name += f'_trial{trial}'
        name += f'_seed{seed}'
        if name in self._made:
            return self._made[name]
        changed = self._expand(config, overrides, self.overrides)
        return self._make(
            'pretrain',
            name,
            f'pre-train {about.title}, {stream}',
            config,
            lambda **text: self.factory.train(
                config,
                changed,
                seed,
                self.roots.get(about.source),
                needs=self._data(about.source),
                **text,
            ),
            about.seconds,
        )

    def _expand(self, config: str, overrides: Mapping, more: Mapping) -> dict:
        """Resolve ``*.KEY``; what the user gives has the last word."""
        overrides = {**overrides, **more}
        plain = {
            key: value
            for key, value in overrides.items()
            if not key.startswith(ANYWHERE)
        }
        if len(plain) == len(overrides):
            return plain
        return expand(self.factory.config(config, plain), overrides, config)

    def _make(
        self,
        kind: str,
        name: str,
        title: str,
        config: str,
        make: Callable[..., Stage],
        seconds: float | None = None,
    ) -> Stage:
        """Make a stage, with the best guess of its duration."""
        expected = self.measured.get(
            (kind, Path(config).name),
            seconds or self.about.seconds.get(kind, 1),
        )
        self._made[name] = make(
            kind=kind, name=name, title=title, seconds=expected
        )
        return self._made[name]

    def _data(self, layout: str) -> list[Stage]:
        """Stages that write an embedded data set: one, or none."""
        if self.about.preset is None:
            return []
        name = f'data/{layout}'
        if name not in self._made:
            self._made[name] = self.factory.data(
                self.roots[layout],
                self.about.preset,
                self.about.seconds['data'],
                layout,
            )
        return [self._made[name]]


def _changes(dataset: Dataset, trial: int | None) -> dict:
    """What turns the config of a method into that of a cell."""
    changes = dict(dataset.overrides)
    if trial is not None:
        changes['*.trial'] = trial
    return changes

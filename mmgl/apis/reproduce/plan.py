"""From cells to stages; what cells share is run once."""

from pathlib import Path

from mmgl.apis.jobs import Stage, StageFactory

from .cells import METHODS, SCALES, Cell, find_config


class Planner:
    """Plans the stages of cells.

    Args:
        root: Folder with ``tools`` and ``configs``.
        work_dir: Folder of all stages.
        scale: Key of ``SCALES``.
        data_root: Folder of the embedded data set; None for real ones, whose
            folders the configs name.
        overrides: Dotted config keys that change every training.
    """

    def __init__(self,
                 root: Path,
                 work_dir: Path,
                 scale: str,
                 data_root: Path | None = None,
                 overrides: dict | None = None) -> None:
        self.root = root
        self.scale = SCALES[scale]
        self.seconds = dict(self.scale.seconds)
        self.data_root = data_root
        self.overrides = overrides or {}
        self.factory = StageFactory(root, work_dir)
        self._made: dict[str, Stage] = {}

    def evaluation(self, cell: Cell) -> Stage:
        """Return the last stage of a cell, linked to all before it.

        Args:
            cell: The cell.

        Returns:
            The evaluation; its first output holds the metrics.
        """
        trained = self._finetuning(cell)
        return self._once(
            'evaluate', f'{cell.name}/evaluate', f'evaluate {cell.title}',
            lambda **text: self.factory.evaluate(
                trained.config, {}, trained, self.data_root, dump=False,
                ingredients={'init': cell.init}, **text))

    def stages(self, cells: list[Cell]) -> list[Stage]:
        """Plan all stages of some cells.

        Args:
            cells: The cells.

        Returns:
            The stages, each after those it needs.
        """
        ordered: dict[str, Stage] = {}

        def visit(stage: Stage) -> None:
            for need in stage.needs:
                visit(need)
            ordered.setdefault(stage.name, stage)

        for cell in cells:
            visit(self.evaluation(cell))
        return list(ordered.values())

    def _once(self, kind: str, name: str, title: str, make) -> Stage:
        """Make a stage the first time its name comes up."""
        if name not in self._made:
            self._made[name] = make(
                kind=kind, name=name, title=title,
                seconds=self.seconds.get(kind, 1))
        return self._made[name]

    def _data(self) -> list[Stage]:
        if self.scale.preset is None:
            return []
        if 'data' not in self._made:
            self._made['data'] = self.factory.data(
                self.data_root, self.scale.preset,
                self.seconds['data'])
        return [self._made['data']]

    def _pretraining(self, cell: Cell) -> Stage:
        stream = METHODS[cell.method].stream
        config = find_config(self.root, 'pretrain', f'mmgl_{stream}',
                             self.scale.dataset)
        return self._once(
            'pretrain', f'pretrain/mmgl_{stream}_seed{cell.seed}',
            f'pre-train MMGL, {stream}',
            lambda **text: self.factory.train(
                config, self.overrides, cell.seed, self.data_root,
                needs=self._data(), **text))

    def _finetuning(self, cell: Cell) -> Stage:
        config = find_config(self.root, 'finetune', cell.method,
                             self.scale.dataset)
        source = self._pretraining(cell) if cell.init == 'mmgl' else None
        return self._once(
            'finetune', f'{cell.name}/finetune', f'fine-tune {cell.title}',
            lambda **text: self.factory.train(
                config, self.overrides, cell.seed, self.data_root,
                init=cell.init, source=source, needs=self._data(), **text))

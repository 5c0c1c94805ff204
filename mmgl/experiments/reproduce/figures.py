"""The figures: which stages make their input, and which tool draws them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from mmgl.experiments.jobs import Stage, find_checkpoint, write_json

from .cells import Cell
from .layout import counted, statistics
from .plan import Planner
from .pretrainings import TITLES
from .records import FAIL
from .tables import TABLES

# What MMGL is compared with: no ImageNet weights fit the narrow network.
OTHER = {'mini': 'random', 'full': 'imagenet'}
# Checkpoints that tools/visualization/tsne.py knows by these names.
UNTRAINED = {'random': 'random', 'imagenet': 'torchvision://resnet50'}
# Quoted: "from seven days to four hours" (Sec. IV-C of the paper).
IMAGENET_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        title: What it shows.
        tool: Tool under ``tools/visualization`` that draws it.
    """

    title: str
    tool: str


FIGURES = {
    'fig1': Figure('accuracy against the cost of pre-training', 'cost'),
    'fig3': Figure('t-SNE of pre-learned features', 'tsne'),
    'fig4': Figure('t-SNE of fine-tuned features', 'tsne'),
    'fig5': Figure('the ten best matches of the same queries', 'ranking'),
    'fig6': Figure('losses of the pre-training', 'plot_curves'),
    'fig7': Figure(
        'permutation accuracy on held-out identities', 'plot_curves'
    ),
    'fig8': Figure(
        'Rank-1 of DDAG on the validation identities', 'plot_curves'
    ),
}


class FigurePlanner:
    """Plans the stages that draw figures, all of seed 0.

    Args:
        planner: Plans what they show.
        data_root: Folder of the images.
    """

    def __init__(self, planner: Planner, data_root: Path) -> None:
        self.planner = planner
        self.data_root = data_root
        self.scale = planner.scale
        self.pair = (OTHER[self.scale], 'mmgl')
        self.names = ['--names', *(TITLES[init] for init in self.pair)]

    def stage(self, name: str) -> Stage:
        """Return the stage that draws a figure.

        Args:
            name: Key of ``FIGURES``, other than 'fig1'.

        Returns:
            The stage, linked to all before it.
        """
        needs, inputs, arguments = getattr(self, f'_{name}')()
        return self._draw(name, inputs, arguments, needs)

    def cost(self, records: Mapping[Cell, dict]) -> Stage:
        """Return the stage that draws Fig. 1 from records.

        Args:
            records: Record by cell.

        Returns:
            The stage; the file it reads is written.

        Raises:
            ValueError: If no cell of Table IV is recorded with the seconds
                of its pre-training.
        """
        points = cost_points(self.scale, records)
        if not points:
            raise ValueError(
                'fig1: no record of Table IV with the seconds of its '
                'pre-training; run table4 first'
            )
        stage = self.cost_stage(points)
        write_json(self._points, points)
        return stage

    def cost_stage(self, points: list[dict]) -> Stage:
        """Return the stage that draws Fig. 1, without writing its input.

        Args:
            points: What ``cost_points`` returns.

        Returns:
            The stage.
        """
        return self._draw('fig1', [self._points], ['--log'], [], points)

    @property
    def _points(self) -> Path:
        return self.planner.work_dir / 'figures/fig1.json'

    def _draw(
        self,
        name: str,
        inputs: list,
        arguments: list,
        needs: list[Stage],
        shown=None,
    ) -> Stage:
        folder = self.planner.work_dir / 'figures'
        about = FIGURES[name]
        out = folder / f'{name}.png'
        return Stage(
            name=f'figures/{name}',
            title=f'draw {name}, {about.title}',
            kind='figure',
            work_dir=folder / name,
            ingredients={
                'figure': name,
                'shown': shown,
                'arguments': [str(word) for word in arguments],
            },
            needs=needs,
            command=[
                sys.executable,
                self.planner.root / f'tools/visualization/{about.tool}.py',
                *inputs,
                *arguments,
                '--out',
                out,
                *(
                    ['--data-root', self.data_root]
                    if about.tool in ('tsne', 'ranking')
                    else []
                ),
            ],
            outputs=[out],
            seconds=self.planner.about.seconds['figure'],
        )

    def _cells(self, method: str = 'agw', data: str = 'sysu') -> list[Cell]:
        return [Cell(self.scale, method, init, 0, data) for init in self.pair]

    def _pretraining(self) -> Stage:
        return self.planner.pretraining('mmgl', 'two-stream', 0)

    def _dumps(self) -> list[Stage]:
        return [
            self.planner.evaluation(cell, dump=True) for cell in self._cells()
        ]

    def _fig3(self) -> tuple[list[Stage], list, list]:
        other, trained = UNTRAINED[self.pair[0]], self._pretraining()
        config = self.planner.finetuning(self._cells()[1]).config
        path = Path(config).relative_to(self.planner.root)
        return (
            [trained],
            [other, lambda: find_checkpoint(trained.work_dir)],
            [
                '--config',
                path,
                '--split',
                'test',
                *self.names,
                *self._all_images(),
            ],
        )

    def _fig4(self) -> tuple[list[Stage], list, list]:
        stages, dumps, names = self._fig5()
        return stages, dumps, [*names, *self._all_images()]

    def _fig5(self) -> tuple[list[Stage], list, list]:
        stages = self._dumps()
        return stages, [stage.outputs[1] for stage in stages], self.names

    def _all_images(self) -> list:
        """As in the paper: all images of ten identities (Sec. IV-G)."""
        return ['--per-modality', 0] if self.scale == 'full' else []

    def _fig6(self) -> tuple[list[Stage], list, list]:
        stage = self._pretraining()
        return (
            [stage],
            [stage.work_dir],
            ['--names', 'MMGL', '--kind', 'loss', '--overlay'],
        )

    def _fig7(self) -> tuple[list[Stage], list, list]:
        stage = self._pretraining()
        return (
            [stage],
            [stage.work_dir],
            ['--names', 'MMGL', '--kind', 'permutation', '--num-stripes', 6],
        )

    def _fig8(self) -> tuple[list[Stage], list, list]:
        stages = [
            self.planner.finetuning(cell)
            for cell in self._cells('ddag', 'sysu-select')
        ]
        return (
            stages,
            [stage.work_dir for stage in stages],
            [*self.names, '--kind', 'metric', '--keys', 'all_single/rank1'],
        )


def cost_points(scale: str, records: Mapping[Cell, dict]) -> list[dict]:
    """Collect the points of Fig. 1: the rows of Table IV.

    Args:
        scale: Key of ``SCALES``.
        records: Record by cell, stale ones marked.

    Returns:
        Label, seconds of pre-training, Rank-1 and its spread over the seeds
        of each row that came through. The seconds are the mean over the
        seeds that have them, those of ImageNet what the paper gives.
    """
    points = []
    for row in TABLES['table4'].rows(scale):
        of_row = [
            record
            for _, record in counted(row, records)[0]
            if record['metrics'] != FAIL
        ]
        free = {'random': 0.0, 'imagenet': IMAGENET_SECONDS}.get(row.init)
        # A run that was interrupted may have no time of its own to count.
        seconds = [
            spent
            for record in of_row
            if (spent := record['seconds'].get('pretrain', free)) is not None
        ]
        if not seconds:
            continue
        ranks = statistics(
            [record['metrics']['all_single/rank1'] for record in of_row]
        )
        quoted = ' (cost quoted)' if row.init == 'imagenet' else ''
        points.append(
            {
                'label': row.labels[0] + quoted,
                'seconds': mean(seconds),
                'accuracy': ranks['mean'],
                'spread': ranks['std'],
            }
        )
    return points

"""The figures: which stages make their input, and which tool draws them."""

import sys
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from .cells import Cell
from .plan import Planner
from .pretrainings import TITLES
from .records import Records
from .stage import Stage, find_checkpoint
from .state import write_json
from .summary import came_through, counted, statistics
from .tables import FIGURES, FROM_RECORDS, TABLES

# What MMGL is compared with: no ImageNet weights fit the narrow network.
OTHER = {'mini': 'random', 'full': 'imagenet'}
# Checkpoints that tools/visualization/tsne.py knows by these names.
UNTRAINED = {'random': 'random', 'imagenet': 'torchvision://resnet50'}
# Quoted: "from seven days to four hours" (Sec. IV-C of the paper).
IMAGENET_SECONDS = 7 * 24 * 3600.0


class FigurePlanner:
    """Plans the stages that draw figures, all of seed 0.

    ``planner`` plans what they show, ``data_root`` has the images.
    """

    def __init__(self, planner: Planner, data_root: Path) -> None:
        self.planner = planner
        self.data_root = data_root
        self.pair = (OTHER[planner.options.scale], 'mmgl')
        self.folder = planner.options.work_dir / 'figures'

    def stage(self, name: str) -> Stage:
        """Return the stage that draws a figure, but Fig. 1, and all before."""
        names = ['--names', *(TITLES[init] for init in self.pair)]
        # As in the paper: all images of ten identities (Sec. IV-G).
        full = self.planner.options.scale == 'full'
        images: list[Any] = ['--per-modality', 0] if full else []
        words: list[Any]
        if name in ('fig4', 'fig5'):
            tests = [self.planner.evaluation(c, True) for c in self._cells()]
            words = names + images if name == 'fig4' else names
            return self._draw(
                name, [s.outputs[1] for s in tests], words, tests
            )
        if name == 'fig8':
            cells = self._cells('ddag', 'sysu-select')
            tuned = [self.planner.finetuning(cell) for cell in cells]
            words = [*names, '--kind', 'metric', '--keys', 'all_single/rank1']
            return self._draw(name, [s.work_dir for s in tuned], words, tuned)
        trained = self.planner.pretraining('mmgl', 'two-stream', 0)
        inputs: list[Any] = [trained.work_dir]
        if name == 'fig3':
            checkpoint = partial(find_checkpoint, trained.work_dir)
            inputs = [UNTRAINED[self.pair[0]], checkpoint]
            config = self.planner.finetuning(self._cells()[1]).config
            path = Path(str(config)).relative_to(self.planner.options.root)
            words = ['--config', path, '--split', 'test', *names, *images]
        elif name == 'fig6':
            words = ['--names', 'MMGL', '--kind', 'loss', '--overlay']
        else:
            words = ['--names', 'MMGL', '--kind', 'permutation']
            words += ['--num-stripes', 6]
        return self._draw(name, inputs, words, [trained])

    def cost(self, records: Records, write: bool = True) -> Stage:
        """Return the stage that draws Fig. 1 from records, and its input.

        Without any point there is a ValueError, if the input is written.
        """
        points = cost_points(self.planner.options.scale, records)
        path = self.folder / f'{FROM_RECORDS}.json'
        if write and not points:
            raise ValueError(
                'fig1: no record of Table IV with the seconds of its '
                'pre-training; run table4 first'
            )
        if write:
            write_json(path, points)
        return self._draw(FROM_RECORDS, [path], ['--log'], [], points)

    def _draw(
        self,
        name: str,
        inputs: list[Any],
        words: list[Any],
        needs: list[Stage],
        shown: Any = None,
    ) -> Stage:
        title, tool = FIGURES[name]
        out = self.folder / f'{name}.png'
        script = self.planner.options.root / f'tools/visualization/{tool}.py'
        command = [sys.executable, script, *inputs, *words, '--out', out]
        if tool in ('tsne', 'ranking'):
            command += ['--data-root', self.data_root]
        arguments = [str(word) for word in words]
        return Stage(
            f'figures/{name}',
            f'draw {name}, {title}',
            'figure',
            self.folder / name,
            {'figure': name, 'shown': shown, 'arguments': arguments},
            needs,
            command,
            [out],
            self.planner.options.size.seconds['figure'],
        )

    def _cells(self, method: str = 'agw', data: str = 'sysu') -> list[Cell]:
        scale = self.planner.options.scale
        return [Cell(scale, method, init, 0, data) for init in self.pair]


def cost_points(scale: str, records: Records) -> list[dict[str, Any]]:
    """Collect the points of Fig. 1, the rows of Table IV that came through.

    Label, seconds of pre-training, Rank-1 and its spread over the seeds. The
    seconds are the mean over the seeds that have them, those of ImageNet what
    the paper gives.
    """
    points = []
    for row in TABLES['table4'].rows(scale):
        found = came_through(counted(row, records)[0]).values()
        free = {'random': 0.0, 'imagenet': IMAGENET_SECONDS}.get(str(row.init))
        # A run that was interrupted may have no time of its own to count.
        spent = [record['seconds'].get('pretrain', free) for record in found]
        seconds = [value for value in spent if value is not None]
        if not seconds:
            continue
        ranks = [record['metrics']['all_single/rank1'] for record in found]
        accuracy = statistics(ranks)
        quoted = ' (cost quoted)' if row.init == 'imagenet' else ''
        point = {
            'label': row.labels[0] + quoted,
            'seconds': mean(seconds),
            'accuracy': accuracy['mean'],
            'spread': accuracy['std'],
        }
        points.append(point)
    return points

"""The figures: which stages make their input, and which tool draws them."""

import sys
from collections.abc import Sequence
from functools import partial
from statistics import mean
from typing import Any

from .cells import Cell
from .checks import data_folder
from .plan import Planner
from .pretrainings import TITLES
from .records import Records
from .stage import Stage, find_checkpoint
from .state import write_json
from .summary import results_of, statistics
from .tables import FIGURES, FROM_RECORDS

# What MMGL is compared with: no ImageNet weights fit the narrow network.
OTHER = {'mini': 'random', 'full': 'imagenet'}
# Checkpoints that tools/visualization/tsne.py knows by these names.
UNTRAINED = {'random': 'random', 'imagenet': 'torchvision://resnet50'}
# Quoted: "from seven days to four hours" (Sec. IV-C of the paper).
IMAGENET_SECONDS = 7 * 24 * 3600.0


def plan_figure(planner: Planner, name: str) -> Stage:
    """Return the stage that draws a figure, but Fig. 1, and all before.

    All are of seed 0.
    """
    scale, root = planner.options.scale, planner.options.root
    pair = (OTHER[scale], 'mmgl')
    like = ('ddag', 'sysu-select') if name == 'fig8' else ('agw', 'sysu')
    cells = [Cell(scale, like[0], init, 0, like[1]) for init in pair]
    config = ''
    inputs: list[Any]
    if name in ('fig4', 'fig5'):
        needs = [planner.evaluation(cell, 'features') for cell in cells]
        inputs = [stage.outputs[1] for stage in needs]
    elif name == 'fig8':
        needs = [planner.finetuning(cell) for cell in cells]
        inputs = [stage.work_dir for stage in needs]
    else:
        needs = [planner.pretraining('mmgl', 'two-stream', 0)]
        inputs = [needs[0].work_dir]
    if name == 'fig3':
        config = str(planner.finetuning(cells[1]).config.relative_to(root))
        checkpoint = partial(find_checkpoint, needs[0].work_dir)
        inputs = [UNTRAINED[pair[0]], checkpoint]
    words = FIGURES[name][2].format(
        config=config,
        both=f'--names {TITLES[pair[0]]} {TITLES[pair[1]]}',
        # As in the paper: all images of ten identities (Sec. IV-G).
        images='--per-modality 0' if scale == 'full' else '',
    )
    return _draw(planner, name, inputs, words, needs)


def plan_cost(planner: Planner, records: Records, write: bool = True) -> Stage:
    """Return the stage that draws Fig. 1 from records, and its input.

    Without any point there is a ValueError, if the input is written.
    """
    points = cost_points(planner.options.scale, records)
    path = planner.options.work_dir / f'figures/{FROM_RECORDS}.json'
    if write and not points:
        raise ValueError(
            'fig1: no record of Table IV with the seconds of its '
            'pre-training; run table4 first'
        )
    if write:
        write_json(path, points)
    words = FIGURES[FROM_RECORDS][2]
    return _draw(planner, FROM_RECORDS, [path], words, [], points)


def _draw(
    planner: Planner,
    name: str,
    inputs: Sequence[Any],
    words: str,
    needs: list[Stage],
    shown: Any = None,
) -> Stage:
    title, tool, _ = FIGURES[name]
    options = planner.options
    folder = options.work_dir / 'figures'
    made_from = {'figure': name, 'shown': shown, 'arguments': words.split()}
    title = f'draw {name}, {title}'
    stage = Stage(f'figures/{name}', title, 'figure', folder / name, made_from)
    stage.needs, stage.outputs = needs, [folder / f'{name}.png']
    stage.seconds = options.size.seconds['figure']
    script = options.root / f'tools/visualization/{tool}.py'
    command = [sys.executable, script, *inputs, *words.split()]
    stage.command = [*command, '--out', stage.outputs[0]]
    if tool in ('tsne', 'ranking'):
        stage.command += ['--data-root', data_folder(options, 'sysu')]
    return stage


def cost_points(scale: str, records: Records) -> list[dict[str, Any]]:
    """Collect the points of Fig. 1, the rows of Table IV that came through.

    Label, seconds of pre-training, Rank-1 and its spread over the seeds. The
    seconds are the mean over the seeds that have them, those of ImageNet what
    the paper gives.
    """
    points = []
    for result in results_of('table4', scale, records).values():
        init, found = result.row.init, result.sound.values()
        free = {'random': 0.0, 'imagenet': IMAGENET_SECONDS}.get(str(init))
        # A run that was interrupted may have no time of its own to count.
        spent = [record['seconds'].get('pretrain', free) for record in found]
        seconds = [value for value in spent if value is not None]
        if seconds:
            accuracy = statistics(result.values('all_single/rank1'))
            quoted = ' (cost quoted)' if init == 'imagenet' else ''
            point = {
                'label': result.row.labels[0] + quoted,
                'seconds': mean(seconds),
                'accuracy': accuracy['mean'],
                'spread': accuracy['std'],
            }
            points.append(point)
    return points

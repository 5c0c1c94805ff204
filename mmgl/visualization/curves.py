"""Curves: training losses, metrics and permutation accuracy over time."""

import re
from collections.abc import Mapping, Sequence
from math import factorial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmgl.protocols.modality import MODALITY_NAMES
from mmgl.utils.files import StrPath

from .scalars import RunLog, smooth
from .style import (
    INFRARED_COLOUR,
    NEUTRAL_COLOUR,
    PALETTE,
    VISIBLE_COLOUR,
    drawn_to_file,
    figure_style,
    new_figure,
)

Series = tuple[np.ndarray, np.ndarray]

# Dashes repeat the order of the colours for print in grey.
_DASHES = ('-', (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


def _line(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    label: str,
    number: int,
    smoothing: float,
    colour: str | None = None,
) -> None:
    colour = colour or PALETTE[number % len(PALETTE)]
    dashes = _DASHES[number % len(_DASHES)]
    if smoothing and len(y) > 4:
        ax.plot(x, y, color=colour, alpha=0.22, linewidth=0.9)
        y = smooth(y, smoothing * len(y))
    (line,) = ax.plot(x, y, color=colour, linestyle=dashes, label=label)
    if len(y) < 15:
        line.set(marker='o', markersize=3)


def series_figure(
    panels: Mapping[str, Mapping[str, Series]],
    xlabel: str = 'epoch',
    smoothing: float = 0.0,
    ylabel: str = '',
) -> Figure:
    """Draw named curves in a grid of panels.

    ``panels``: title of the panel -> name of the curve -> (x (n,), y (n,)).
    ``smoothing`` is the width of the Gaussian average as a share of the
    curve's length; the raw curve stays visible behind it, 0 draws only that.
    """
    if not panels or not any(panels.values()):
        raise ValueError('Nothing to draw: no curves given.')
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with figure_style():
        width = 3.5 * columns + (1.0 if columns == 1 else 0)
        figure = new_figure(width, 2.5 * rows + 0.2)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        names = [name for curves in panels.values() for name in curves]
        # A curve keeps its colour, also where a panel lacks others.
        number = {name: n for n, name in enumerate(dict.fromkeys(names))}
        for ax, (title, curves) in zip(axes, panels.items(), strict=False):
            for name, (x, y) in curves.items():
                x, y = np.asarray(x), np.asarray(y)
                _line(ax, x, y, name, number[name], smoothing)
            ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        # One legend is enough where all panels hold the same curves.
        same = len({tuple(curves) for curves in panels.values()}) == 1
        for ax in axes[:1] if same else axes[: len(panels)]:
            if ax.get_legend_handles_labels()[0]:
                ax.legend()
    return figure


draw_series = drawn_to_file(series_figure)


def _pretty(key: str) -> str:
    """'part/loss_pcc' is 'part PCC', 'permutation/loss' is 'permutation'."""
    if key == 'loss':
        return 'total'
    head, _, name = key.rpartition('/')
    name = name.removeprefix('loss').removeprefix('_').removesuffix('_loss')
    name = 'PCC' if name == 'pcc' else name
    return f'{head} {name}'.strip().replace('_', ' ')


def _loss_keys(run: RunLog) -> list[str]:
    keys = [k for k in run.keys('train') if 'loss' in k]
    parts = [k for k in keys if k != 'loss']
    # The total of a single part is that part again.
    return parts if len(parts) == 1 else sorted(keys, key='loss'.__ne__)


def draw_losses(
    runs: Mapping[str, RunLog],
    path: StrPath,
    keys: Sequence[str] | None = None,
    smoothing: float = 0.012,
    overlay: bool = False,
) -> Path:
    """Draw training losses of runs by name.

    ``keys`` are by default all scalars with 'loss' in their name;
    ``smoothing`` is that of ``series_figure``. By ``overlay`` all losses share
    one panel a run, as Fig. 6 of the MMGL paper, not one panel a loss.
    """
    panels: dict[str, dict[str, Series]] = {}
    for name, run in runs.items():
        for key in keys or _loss_keys(run):
            if key not in run.keys('train'):
                continue
            panel, curve = _pretty(key), name
            if overlay:
                panel, curve = curve, panel
            panels.setdefault(panel, {})[curve] = run.series('train', key)
    epochs = all(run.iters_per_epoch() for run in runs.values())
    xlabel = 'epoch' if epochs else 'iteration'
    return draw_series(panels, path, xlabel, smoothing)


def _metric_title(key: str) -> str:
    """Spell out a metric: 'all_single/rank1' is Rank-1, all search."""
    where, _, measure = key.rpartition('/')
    measure = re.sub(r'^rank(\d+)$', r'Rank-\1', measure)
    mode, _, shots = where.partition('_')
    if mode in ('all', 'indoor') and shots:
        where = f'{mode} search, {shots}-shot'
    where, measure = where.replace('_', ' '), measure.replace('_', ' ')
    return f'{measure} ({where})' if where else measure


def draw_metrics(
    runs: Mapping[str, RunLog],
    path: StrPath,
    keys: Sequence[str] | None = None,
) -> Path:
    """Draw validation metrics, one panel a metric, one curve a run (Fig. 8).

    By default all that were logged; a run with none of the keys is a
    ValueError.
    """
    panels: dict[str, dict[str, Series]] = {}
    for name, run in runs.items():
        own = run.keys('val')
        found = [key for key in keys or own if key in own]
        if keys and not found:
            raise ValueError(
                f'Run {name!r} logged none of {", ".join(keys)}; its '
                f'validations hold: {", ".join(own) or "nothing"}.'
            )
        for key in found:
            panel = panels.setdefault(_metric_title(key), {})
            panel[name] = run.series('val', key)
    return draw_series(panels, path, ylabel='%')


def _permutation_lines(
    runs: RunLog | Mapping[str, RunLog], measure: str
) -> list[tuple[str, Series, str]]:
    """Name, curve and colour: of one run both modalities, else each run."""
    if isinstance(runs, Mapping) and len(runs) == 1:
        (runs,) = runs.values()
    if isinstance(runs, RunLog):
        names, colours = MODALITY_NAMES, [VISIBLE_COLOUR, INFRARED_COLOUR]
        keys = [f'permutation/{name}_{measure}' for name in names]
        curves = [runs.series('val', key) for key in keys]
        return list(zip(names, curves, colours, strict=True))
    key = f'permutation/{measure}'
    return [
        (name, run.series('val', key), PALETTE[number % len(PALETTE)])
        for number, (name, run) in enumerate(runs.items())
    ]


def permutation_figure(
    runs: RunLog | Mapping[str, RunLog], num_stripes: int = 6
) -> Figure:
    """Draw permutation recovery on held-out identities, as Fig. 7.

    Two panels: share of stripes put in the right place, and share of images
    with every stripe right; each with chance, which ``num_stripes`` gives. Of
    one run both modalities are drawn, of several (name -> log) one curve each
    over all images.
    """
    if isinstance(runs, Mapping) and not runs:
        raise ValueError('Nothing to draw: no runs given.')
    panels = (
        ('stripes in the right place', 'stripe_acc', 100 / num_stripes),
        ('whole permutation right', 'exact_acc', 100 / factorial(num_stripes)),
    )
    with figure_style():
        figure = new_figure(7.2, 2.9)
        axes = figure.subplots(1, 2, sharey=True)
        for ax, (title, measure, chance) in zip(axes, panels, strict=True):
            lines = _permutation_lines(runs, measure)
            for number, (name, (x, y), colour) in enumerate(lines):
                label = f'{name} (last {y[-1]:.1f} %)'
                _line(ax, x, y, label, number, 0, colour)
            shown = f'{chance:.2g}' if chance < 1 else f'{chance:.1f}'
            line = ax.axhline(chance, color=NEUTRAL_COLOUR, linestyle=':')
            line.set_label(f'chance ({shown} %)')
            ax.set(title=title, xlabel='epoch', ylim=(-3, 103))
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            ax.legend(loc='best')
        axes[0].set_ylabel('held-out images (%)')
    return figure


draw_permutation_accuracy = drawn_to_file(permutation_figure)

"""Curves: training losses, metrics and permutation accuracy over time."""

import os
from collections.abc import Mapping, Sequence
from math import factorial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .scalars import RunLog, smooth
from .style import (
    INFRARED_COLOUR,
    NEUTRAL_COLOUR,
    PALETTE,
    VISIBLE_COLOUR,
    checked_path,
    figure_style,
    new_figure,
    save_figure,
)

Series = tuple[np.ndarray, np.ndarray]

# Dashes repeat the order of the colours for print in grey.
_DASHES = ('-', (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


def _line(ax: Axes, x: np.ndarray, y: np.ndarray, label: str, number: int,
          smoothing: float, colour: str | None = None) -> None:
    colour = colour or PALETTE[number % len(PALETTE)]
    style = _DASHES[number % len(_DASHES)]
    if smoothing and len(y) > 4:
        ax.plot(x, y, color=colour, alpha=0.22, linewidth=0.9)
        y = smooth(y, smoothing * len(y))
    marker = 'o' if len(y) < 15 else None
    ax.plot(x, y, color=colour, linestyle=style, label=label, marker=marker,
            markersize=3)


def draw_series(
        panels: Mapping[str, Mapping[str, Series]],
        path: str | os.PathLike,
        xlabel: str = 'epoch',
        smoothing: float = 0.0,
        log_scale: bool = False) -> Path:
    """Draw named curves in a grid of panels.

    Args:
        panels: Title of the panel -> name of the curve -> (x (n,), y (n,)).
        path: Picture to write (.png, .svg or .pdf).
        xlabel: What x is.
        smoothing: Width of the Gaussian average as a share of the curve's
            length; the raw curve stays visible behind it. 0 draws only that.
        log_scale: Whether y is logarithmic.

    Returns:
        The path written.

    Raises:
        ValueError: If there is nothing to draw or the suffix is unknown.
    """
    checked_path(path)
    if not panels or not any(panels.values()):
        raise ValueError(f'Nothing to draw for {path}: no curves given.')
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with figure_style():
        figure = new_figure(3.5 * columns + (1.0 if columns == 1 else 0),
                            2.5 * rows + 0.2)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, (title, curves) in zip(axes, panels.items(), strict=False):
            for number, (name, (x, y)) in enumerate(curves.items()):
                _line(ax, np.asarray(x), np.asarray(y), name, number,
                      smoothing)
            ax.set_title(title)
            ax.set_xlabel(xlabel)
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            if log_scale:
                ax.set_yscale('log')
        for ax in axes[len(panels):]:
            ax.set_axis_off()
        # One legend is enough where all panels hold the same curves.
        same = len({tuple(curves) for curves in panels.values()}) == 1
        for ax in axes[:1] if same else axes[:len(panels)]:
            if ax.get_legend_handles_labels()[0]:
                ax.legend()
        return save_figure(figure, path)


def _pretty(key: str) -> str:
    name = key.rsplit('.', 1)[-1]
    name = name.removeprefix('loss_').removesuffix('_loss')
    if name == 'loss':
        return 'total'
    return name.upper() if name == 'pcc' else name.replace('_', ' ')


def _loss_keys(run: RunLog) -> list[str]:
    keys = [k for k in run.keys('train') if 'loss' in k]
    parts = [k for k in keys if k != 'loss']
    # The total of a single part is that part again.
    return parts if len(parts) == 1 else sorted(keys, key='loss'.__ne__)


def draw_losses(
        runs: Mapping[str, RunLog],
        path: str | os.PathLike,
        keys: Sequence[str] | None = None,
        smoothing: float = 0.012,
        overlay: bool = False) -> Path:
    """Draw training losses, as Fig. 6 of the MMGL paper or run against run.

    Args:
        runs: Name -> log of a run.
        path: Picture to write.
        keys: Scalars to show; by default every one with 'loss' in its name.
        smoothing: Width of the running average, see `draw_series`.
        overlay: Whether all losses share one panel per run (Fig. 6) instead
            of one panel per loss.

    Returns:
        The path written.

    Raises:
        ValueError: If a run lacks all of the keys.
    """
    panels: dict[str, dict[str, Series]] = {}
    for name, run in runs.items():
        for key in keys or _loss_keys(run):
            if key not in run.keys('train'):
                continue
            outer, inner = ((name, _pretty(key)) if overlay else
                            (_pretty(key), name))
            panels.setdefault(outer, {})[inner] = run.series('train', key)
    epochs = all(run.iters_per_epoch() for run in runs.values())
    return draw_series(panels, path, 'epoch' if epochs else 'iteration',
                       smoothing)


def draw_metrics(
        runs: Mapping[str, RunLog],
        path: str | os.PathLike,
        keys: Sequence[str] | None = None) -> Path:
    """Draw validation metrics, one panel a metric, one curve a run.

    Args:
        runs: Name -> log of a run.
        path: Picture to write.
        keys: Metrics to show; by default all that were logged.

    Returns:
        The path written.

    Raises:
        ValueError: If no run has any of them.
    """
    panels: dict[str, dict[str, Series]] = {}
    for name, run in runs.items():
        for key in keys or run.keys('val'):
            if key in run.keys('val'):
                panels.setdefault(key, {})[name] = run.series('val', key)
    return draw_series(panels, path)


def draw_permutation_accuracy(
        run: RunLog,
        path: str | os.PathLike,
        num_stripes: int = 6,
        prefix: str = 'permutation') -> Path:
    """Draw permutation recovery on held-out identities, as Fig. 7.

    Two panels: share of stripes put in the right place, and share of images
    with every stripe right; each with both modalities and chance.

    Args:
        run: Log of a pre-training whose validation measured it.
        path: Picture to write.
        num_stripes: Stripes an image is cut into; gives the chance level.
        prefix: Prefix of the metric.

    Returns:
        The path written.

    Raises:
        ValueError: If the log holds no permutation accuracy.
    """
    checked_path(path)
    panels = (('stripes in the right place', 'stripe_acc',
               100 / num_stripes),
              ('whole permutation right', 'exact_acc',
               100 / factorial(num_stripes)))
    lines = (('visible', 'visible_', VISIBLE_COLOUR),
             ('infrared', 'infrared_', INFRARED_COLOUR))
    with figure_style():
        figure = new_figure(7.2, 2.9)
        axes = figure.subplots(1, 2, sharey=True)
        for ax, (title, measure, chance) in zip(axes, panels, strict=True):
            for number, (name, part, colour) in enumerate(lines):
                key = f'{prefix}/{part}{measure}'
                x, y = run.series('val', key)
                _line(ax, x, y, f'{name} (last {y[-1]:.1f} %)', number, 0,
                      colour)
            ax.axhline(chance, color=NEUTRAL_COLOUR, linestyle=':',
                       label=f'chance ({chance:.2g} %)'
                       if chance < 1 else f'chance ({chance:.1f} %)')
            ax.set(title=title, xlabel='epoch', ylim=(-3, 103))
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            ax.legend(loc='best')
        axes[0].set_ylabel('held-out images (%)')
        return save_figure(figure, path)

"""Bar charts that compare ways to initialise (or any other named runs)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style


def _bars(
    ax: Axes,
    place: np.ndarray,
    values: list[np.ndarray],
    width: float,
    name: str,
    colour: str,
) -> None:
    """Draw the bars of one run, and dots where there are several seeds."""
    means = [seeds.mean() for seeds in values]
    ax.bar(place, means, width * 0.92, label=name, color=colour)
    for x, seeds, mean in zip(place, values, means, strict=True):
        if len(seeds) > 1:
            dots = ax.scatter(np.full(len(seeds), x), seeds, s=9, zorder=3)
            dots.set(facecolor='white', edgecolor=style.INK, linewidth=0.7)
        top = seeds.max() if len(seeds) > 1 else mean
        text = ax.annotate(
            f'{mean:.1f}', (x, top), (0, 3), textcoords='offset points'
        )
        text.set(ha='center', fontsize=7.5)


def comparison_figure(
    results: Mapping[str, Mapping[str, Sequence[float]]],
    title: str = '',
    ylabel: str = 'percent',
) -> Figure:
    """Draw the mean of each metric for each run, with every seed as a dot.

    ``results``: name of the run (first: the baseline, drawn in grey) -> name
    of the metric -> values, one a seed; all runs have the same metrics.
    """
    names = list(results)
    if not names or not results[names[0]]:
        raise ValueError('Nothing to draw: no results given.')
    metrics = list(results[names[0]])
    for name in names:
        if set(results[name]) != set(metrics):
            raise ValueError(
                f'Run {name!r} has the metrics {sorted(results[name])}, run '
                f'{names[0]!r} has {sorted(metrics)}; they must agree.'
            )
    colours = [style.NEUTRAL_COLOUR, *style.PALETTE]
    width = 0.8 / len(names)
    with style.figure_style():
        figure = style.new_figure(max(4.0, 0.9 * len(metrics) + 1.2), 3.0)
        ax = figure.subplots()
        for n, name in enumerate(names):
            place = np.arange(len(metrics), dtype=float)
            place += (n - (len(names) - 1) / 2) * width
            values = [np.asarray(results[name][m], float) for m in metrics]
            _bars(ax, place, values, width, name, colours[n % len(colours)])
        ax.set_xticks(np.arange(len(metrics)), metrics)
        ax.tick_params(axis='x', length=0)
        ax.grid(axis='x', visible=False)
        ax.margins(y=0.12)
        ax.set(title=title, ylabel=ylabel)
        figure.legend(loc='outside lower center', ncols=min(len(names), 3))
    return figure


draw_comparison = style.drawn_to_file(comparison_figure)

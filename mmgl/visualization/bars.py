"""Bar charts that compare ways to initialise (or any other named runs)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .style import (
    NEUTRAL_COLOUR,
    PALETTE,
    checked_path,
    figure_style,
    new_figure,
    save_figure,
)


def draw_comparison(
    results: Mapping[str, Mapping[str, Sequence[float]]],
    path: str | os.PathLike,
    title: str = '',
    ylabel: str = 'percent',
) -> Path:
    """Draw the mean of each metric for each run, with every seed as a dot.

    Args:
        results: Name of the run (first: the baseline, drawn in grey) -> name
            of the metric -> values, one a seed.
        path: Picture to write (.png, .svg or .pdf).
        title: Heading.
        ylabel: Unit of the values.

    Returns:
        The path written.

    Raises:
        ValueError: If there are no values or the runs differ in metrics.
    """
    checked_path(path)
    names = list(results)
    if not names or not results[names[0]]:
        raise ValueError(f'Nothing to draw for {path}: no results given.')
    metrics = list(results[names[0]])
    for name in names:
        if set(results[name]) != set(metrics):
            raise ValueError(
                f'Run {name!r} has the metrics {sorted(results[name])}, run '
                f'{names[0]!r} has {sorted(metrics)}; they must agree.'
            )
    colours = [NEUTRAL_COLOUR, *PALETTE]
    width = 0.8 / len(names)
    with figure_style():
        figure = new_figure(max(4.0, 0.9 * len(metrics) + 1.2), 3.0)
        ax = figure.subplots()
        for n, name in enumerate(names):
            place = np.arange(len(metrics), dtype=float)
            place += (n - (len(names) - 1) / 2) * width
            values = [np.asarray(results[name][m], float) for m in metrics]
            means = [v.mean() for v in values]
            ax.bar(
                place,
                means,
                width * 0.92,
                label=name,
                color=colours[n % len(colours)],
            )
            for x, seeds, mean in zip(place, values, means, strict=True):
                top = seeds.max() if len(seeds) > 1 else mean
                if len(seeds) > 1:
                    ax.scatter(
                        np.full(len(seeds), x),
                        seeds,
                        s=9,
                        zorder=3,
                        color='white',
                        edgecolor='#222222',
                        linewidth=0.7,
                    )
                ax.annotate(
                    f'{mean:.1f}',
                    (x, top),
                    (0, 3),
                    ha='center',
                    textcoords='offset points',
                    fontsize=7.5,
                )
        ax.set_xticks(np.arange(len(metrics)), metrics)
        ax.tick_params(axis='x', length=0)
        ax.grid(axis='x', visible=False)
        ax.margins(y=0.12)
        ax.set(title=title, ylabel=ylabel)
        figure.legend(loc='outside lower center', ncols=min(len(names), 3))
        return save_figure(figure, path)

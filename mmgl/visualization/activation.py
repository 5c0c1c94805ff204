"""Heat maps over pairs of images: what makes them alike."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from .style import drawn_to_file, figure_style, new_figure

_HEAT = 'inferno'


class ExplainedPair(NamedTuple):
    """Two images (h, w, 3), maps over each of them (m, a, b), 0 to 1.

    ``similarity`` is the cosine of their features; ``weights`` are those of
    the maps, if they have any.
    """

    images: tuple[np.ndarray, np.ndarray]
    maps: tuple[np.ndarray, np.ndarray]
    similarity: float
    weights: Sequence[float] = ()


def activation_figure(panels: Mapping[str, Sequence[ExplainedPair]]) -> Figure:
    """Draw pairs below one another, runs side by side.

    Each image stands left of itself under its maps, of which all pairs of a
    run have the same number. ``panels``: title of the run -> pairs.
    """
    if not panels or not all(panels.values()):
        raise ValueError('Nothing to draw: no pairs given.')
    rows = max(map(len, panels.values()))
    columns = [2 + 2 * len(pairs[0].maps[0]) for pairs in panels.values()]
    with figure_style():
        figure = new_figure(0.68 * sum(columns), 1.32 * rows + 0.5)
        layout: Any = figure.get_layout_engine()
        layout.set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        parts = figure.subfigures(
            1, len(panels), squeeze=False, wspace=0.04, width_ratios=columns
        )
        for part, width, (title, pairs) in zip(
            parts[0], columns, panels.items(), strict=True
        ):
            part.suptitle(title, fontsize=10, fontweight='bold')
            axes = part.subplots(rows, width, squeeze=False)
            for ax in axes.ravel():
                ax.set_axis_off()
            weights = [f'{weight:.2f}' for weight in pairs[0].weights]
            weights = weights or [''] * (width // 2 - 1)
            names = ['infrared', *weights, 'visible', *weights]
            for ax, name in zip(axes[0], names, strict=True):
                ax.set_title(name, loc='center', fontsize=8, fontweight=400)
            for row, pair in zip(axes, pairs, strict=False):
                _pair(row, pair)
    return figure


def _pair(axes: np.ndarray, pair: ExplainedPair) -> None:
    halves = np.split(axes, 2)
    for half, image, maps in zip(halves, pair.images, pair.maps, strict=True):
        height, width = image.shape[:2]
        for ax in half:
            ax.imshow(image, interpolation='bilinear')
        place = (-0.5, width - 0.5, height - 0.5, -0.5)
        how: dict[str, Any] = dict(cmap=_HEAT, alpha=0.55, vmin=0, vmax=1)
        for ax, heat in zip(half[1:], maps, strict=True):
            ax.imshow(heat, interpolation='nearest', extent=place, **how)
    last = axes[-1]
    text = last.text(0.5, -0.02, f'{pair.similarity:.2f}')
    text.set(transform=last.transAxes, fontsize=6.5, ha='center', va='top')


draw_activation = drawn_to_file(activation_figure)

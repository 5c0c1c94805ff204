"""Heat maps over pairs of images: what makes them alike."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from .style import drawn_to_file, figure_style, new_figure

_HEAT = 'inferno'
_TITLES = ('infrared', '', 'visible', '')


class ExplainedPair(NamedTuple):
    """Two images (h, w, 3), the heat in each of them (h, w), 0 to 1.

    ``similarity`` is the cosine of their features.
    """

    images: tuple[np.ndarray, np.ndarray]
    heat: tuple[np.ndarray, np.ndarray]
    similarity: float


def activation_figure(panels: Mapping[str, Sequence[ExplainedPair]]) -> Figure:
    """Draw pairs below one another, runs side by side.

    Each image stands left of itself under its heat. ``panels``: title of the
    run -> pairs.
    """
    if not panels or not all(panels.values()):
        raise ValueError('Nothing to draw: no pairs given.')
    rows = max(map(len, panels.values()))
    with figure_style():
        figure = new_figure(2.7 * len(panels), 1.32 * rows + 0.5)
        layout: Any = figure.get_layout_engine()
        layout.set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        parts = figure.subfigures(1, len(panels), squeeze=False, wspace=0.04)
        for part, (title, pairs) in zip(parts[0], panels.items(), strict=True):
            part.suptitle(title, fontsize=10, fontweight='bold')
            axes = part.subplots(rows, 4, squeeze=False)
            for ax in axes.ravel():
                ax.set_axis_off()
            for ax, name in zip(axes[0], _TITLES, strict=True):
                ax.set_title(name, loc='center', fontsize=8, fontweight=400)
            for row, pair in zip(axes, pairs, strict=False):
                _pair(row, pair)
    return figure


def _pair(axes: np.ndarray, pair: ExplainedPair) -> None:
    sides = zip(axes[::2], axes[1::2], pair.images, pair.heat, strict=True)
    for plain, warm, image, heat in sides:
        for ax in (plain, warm):
            ax.imshow(image, interpolation='bilinear')
        warm.imshow(heat, cmap=_HEAT, alpha=0.55, vmin=0, vmax=1)
    text = axes[3].text(0.5, -0.02, f'{pair.similarity:.2f}')
    text.set(transform=axes[3].transAxes, fontsize=6.5, ha='center', va='top')


draw_activation = drawn_to_file(activation_figure)

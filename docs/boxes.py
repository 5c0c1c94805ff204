"""Boxes, arrows and images on a page, for the pictures of the documents."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from mmgl.visualization.style import INK, NEUTRAL_COLOUR, new_figure


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a page to draw boxes on, in inches."""
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    axes.set(xlim=(0, width), ylim=(0, height), aspect='equal')
    axes.axis('off')
    return figure, axes


def box(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    colour: str = NEUTRAL_COLOUR,
    width: float = 1.3,
    height: float = 0.5,
) -> None:
    """Draw a box around its middle."""
    corner = x - width / 2, y - height / 2
    style = dict(boxstyle='round,pad=0,rounding_size=0.08', linewidth=1.2)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            width,
            height,
            facecolor=colour + '22',
            edgecolor=colour,
            **style,
        )
    )
    axes.text(x, y, text, ha='center', va='center', fontsize=8, color=INK)


def arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = INK,
    **style: float,
) -> None:
    """Draw an arrow."""
    how = dict(arrowstyle='-|>', color=colour, lw=1, shrinkA=0, shrinkB=0)
    axes.annotate('', end, start, arrowprops={**how, **style})


def picture(
    axes: Axes, image: np.ndarray, x: float, y: float, height: float
) -> None:
    """Put an image with its left lower corner at a place."""
    width = height * image.shape[1] / image.shape[0]
    axes.imshow(image, extent=(x, x + width, y, y + height), zorder=2)

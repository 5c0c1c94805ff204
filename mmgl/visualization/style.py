"""One look for all pictures: colours, fonts, canvas and saving.

Colours are the palette of Okabe and Ito (readable with every common form of
colour blindness), lengthened for pictures with more than eight identities.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmgl.utils.files import PICTURES, StrPath, check_output, replace_whole

P = ParamSpec('P')
Drawn = TypeVar('Drawn')

# Ordered so that neighbours differ in lightness as well as in hue.
PALETTE = (
    *('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'),
    *('#5D3A9B', '#8C564B', '#4B4B4B', '#B2AE00'),
)
VISIBLE_COLOUR = PALETTE[0]
INFRARED_COLOUR = PALETTE[1]
MATCH_COLOUR = PALETTE[2]
MISMATCH_COLOUR = '#C8202F'
NEUTRAL_COLOUR = '#8A8A8A'
INK = '#222222'

_RC: dict[Any, Any] = {
    'font.family': 'sans-serif',
    'font.sans-serif': ['DejaVu Sans'],
    'font.size': 9,
    'axes.titlesize': 10,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.labelsize': 9,
    'axes.edgecolor': '#666666',
    'axes.labelcolor': INK,
    'axes.linewidth': 0.8,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'axes.grid': True,
    'grid.color': '#E4E4E4',
    'grid.linewidth': 0.7,
    'xtick.color': '#444444',
    'ytick.color': '#444444',
    'xtick.labelsize': 8,
    'ytick.labelsize': 8,
    'text.color': INK,
    'legend.frameon': False,
    'legend.fontsize': 8,
    'lines.linewidth': 1.6,
    'lines.solid_capstyle': 'round',
    'svg.fonttype': 'path',
    # A fixed salt keeps the ids inside an SVG the same from run to run.
    'svg.hashsalt': 'mmgl',
    'figure.facecolor': 'white',
    'savefig.facecolor': 'white',
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw inside with the style of the project, then restore the rest."""
    with matplotlib.rc_context(_RC):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make a figure, in inches, on the Agg canvas: no pyplot, no display."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: StrPath, dpi: int = 200) -> Path:
    """Write a figure; the suffix chooses the format, dpi is that of a PNG."""
    check_output(path, PICTURES)
    path = Path(path)
    suffix = path.suffix.lower()
    # No date inside, so that the same input gives the same bytes.
    metadata = {'.svg': {'Date': None}, '.pdf': {'CreationDate': None}}
    how: dict[str, Any] = dict(bbox_inches='tight', pad_inches=0.06)
    how.update(format=suffix[1:], metadata=metadata.get(suffix), dpi=dpi)
    # Layout and SVG ids are settled while saving.
    with replace_whole(path) as partial, figure_style():
        figure.savefig(partial, **how)
    return path


def drawn_to_file(
    make: Callable[Concatenate[Drawn, P], Figure],
) -> Callable[Concatenate[Drawn, StrPath, P], Path]:
    """Make ``draw_*(what, path, ...)`` of ``*_figure(what, ...)``."""

    @wraps(make)
    def draw(
        what: Drawn, path: StrPath, /, *args: P.args, **options: P.kwargs
    ) -> Path:
        check_output(path, PICTURES)
        return save_figure(make(what, *args, **options), path)

    return draw

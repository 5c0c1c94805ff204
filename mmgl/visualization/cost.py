"""Accuracy against the cost of pre-training (Fig. 1)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mmgl.utils.files import StrPath

from . import style

_UNITS = (('days', 86400), ('hours', 3600), ('minutes', 60), ('seconds', 1))
_MARKERS = 'os^Dv'
_NEAR: dict[str, Any] = dict(textcoords='offset points', fontsize=8)
# Points that are named where they stand.
_MOST_NAMES = 5


class CostRecord(NamedTuple):
    """One way to initialise.

    ``seconds`` is the cost of its pre-training, 0 for none; ``accuracy``, in
    percent, what it leads to; ``spread`` its deviation over seeds.
    """

    label: str
    seconds: float
    accuracy: float
    spread: float | None = None


_FIELDS = CostRecord._fields
_NEEDED = ', '.join(_FIELDS[:3])
# In seconds, a thousand years, and in percent.
_MOST = dict(seconds=3.2e10, accuracy=100.0, spread=100.0)


def read_cost_records(
    source: StrPath | Sequence[Mapping[str, Any]],
) -> list[CostRecord]:
    """Read records from a JSON list of objects, or check such a list.

    Each has the fields of :class:`CostRecord`; one that is missing, unknown
    or out of range is a ValueError.
    """
    where = 'records'
    records: Any = source
    if not isinstance(source, Sequence) or isinstance(source, str):
        where = str(source)
        if not Path(source).is_file():
            raise FileNotFoundError(
                f'No file {where}; give a JSON list of objects with {_NEEDED} '
                'and perhaps spread.'
            )
        try:
            records = json.loads(
                Path(source).read_text('utf-8', errors='replace')
            )
        except json.JSONDecodeError as error:
            raise ValueError(f'{where} is no JSON ({error}).') from error
    if not isinstance(records, Sequence) or not records:
        raise ValueError(f'{where} must be a list with at least one record.')
    for number, one in enumerate(records, 1):
        if fault := _fault(one):
            raise ValueError(f'{where}, record {number}: {fault}')
    return [CostRecord(**one) for one in records]


def _fault(one: Any) -> str:
    """Say what is wrong with a record."""
    if not isinstance(one, Mapping) or not set(_FIELDS[:3]) <= set(one):
        return f'needs {_NEEDED}, got {one!r}.'
    unknown = sorted(set(one) - set(_FIELDS))
    if unknown:
        return f'unknown fields {unknown}; known are {", ".join(_FIELDS)}.'
    if one['seconds'] is None or one['accuracy'] is None:
        advice = 'give 0 seconds for no pre-training.'
        return f'seconds and accuracy must be numbers; {advice}'
    if not isinstance(one['label'], str):
        return f'label must be text, got {one["label"]!r}.'
    for name, most in _MOST.items():
        value = one.get(name)
        number = isinstance(value, int | float) and 0 <= value <= most
        if value is not None and (not number or isinstance(value, bool)):
            return f'{name} must be a number of 0 to {most:g}, got {value!r}.'
    return ''


def _log_axis(ax: Axes) -> None:
    """Make the time axis logarithmic, with plain numbers at its ticks."""
    ax.set_xscale('log')
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f'{x:g}'))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _line_across(ax: Axes, record: CostRecord) -> None:
    """Draw what costs nothing."""
    y, colour = record.accuracy, style.NEUTRAL_COLOUR
    ax.axhline(y, color=colour, linestyle='--', linewidth=1.2)
    text = f'{record.label} (no pre-training)'
    how = dict(_NEAR, xycoords=ax.get_yaxis_transform(), ha='right')
    ax.annotate(text, (1, y), (-2, 3), color=colour, **how)


def _point(
    ax: Axes, record: CostRecord, x: float, number: int, side: int
) -> None:
    """Draw a point; its name stands right (1) or left (-1) of it, or not."""
    colour = style.PALETTE[number % len(style.PALETTE)]
    y, marker = record.accuracy, _MARKERS[number % len(_MARKERS)]
    bars = None if record.spread is None else [record.spread]
    how: dict[str, Any] = dict(color=colour, label=record.label, capsize=3)
    ax.errorbar([x], [y], yerr=bars, fmt=marker, markersize=6, **how)
    if side:
        where = 'left' if side > 0 else 'right'
        how = dict(ha=where, va='bottom', fontweight='bold', **_NEAR)
        ax.annotate(record.label, (x, y), (7 * side, 5), color=colour, **how)


def cost_figure(
    records: Sequence[CostRecord],
    log_time: bool = False,
    ylabel: str = 'Rank-1 (%)',
    xlabel: str = 'pre-training time',
    title: str = '',
) -> Figure:
    """Draw accuracy against the cost of pre-training, as Fig. 1.

    Each record is a point with its name; without pre-training (0 seconds) it
    is a dashed line instead, which has a place on a logarithmic axis too.
    Many points are named in a legend, where their names would overlap. The
    unit of the time is added to ``xlabel``.
    """
    if not records:
        raise ValueError('Nothing to draw: no records given.')
    times = [r.seconds for r in records if r.seconds] or [0.0]
    shown = min(times) if log_time else max(times)
    handy = (one for one in _UNITS if shown >= 2 * one[1])
    unit, length = next(handy, _UNITS[-1])
    times = [r.seconds / length for r in records if r.seconds]
    # Names stand right of their points, but left in the right part.
    place = np.log if log_time else np.asarray
    middle = (place(max(times)) + place(min(times))) / 2 if times else 0.0
    crowded = len(times) > _MOST_NAMES
    with style.figure_style():
        figure = style.new_figure(6.2 if crowded else 5.0, 3.4)
        ax = figure.subplots()
        for number, record in enumerate(records):
            if not record.seconds:
                _line_across(ax, record)
                continue
            x = record.seconds / length
            right = len(times) > 1 and place(x) > middle
            _point(ax, record, x, number, 0 if crowded else -1 if right else 1)
        if log_time and times:
            _log_axis(ax)
        elif times:
            ax.set_xlim(0, 1.08 * max(times))
        ax.margins(y=0.15)
        if crowded:
            figure.legend(loc='outside right upper')
        ax.set(xlabel=f'{xlabel} ({unit})', ylabel=ylabel, title=title)
    return figure


draw_cost = style.drawn_to_file(cost_figure)

"""What a gallery keeps of an image, and how it is asked for."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmgl.utils.errors import ConfigError

Features: TypeAlias = npt.NDArray[np.float32]
Metadata: TypeAlias = Mapping[str, Any]
# Field: a value, a list of values, or a range (from, to), None for open.
Where: TypeAlias = Mapping[str, Any]

# Fields that searches may filter by, and their type; others are kept along.
FIELDS: dict[str, type] = {
    'person': str,
    'camera': str,
    'modality': str,
    'time': float,
}
MAX_NAME = 1024


@dataclass(frozen=True)
class Record:
    """One image: its name, its feature of length 1, and what is known."""

    name: str
    feature: Features
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    """A record that a search found; ``score`` is the cosine."""

    name: str
    score: float
    metadata: dict[str, Any]


def check_names(names: Iterable[str]) -> list[str]:
    """Return names that a gallery takes; ConfigError for others."""
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise ConfigError(f'names must be a list of names, got {names!r:.80}')
    checked = list(names)
    for name in checked:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            raise ConfigError(
                f'a name must be a text of 1 to {MAX_NAME} characters, got '
                f'{name!r:.80}'
            )
        if not name.isprintable():
            raise ConfigError(f'name {name!r:.80} is not printable')
    return checked


def check_features(
    features: npt.ArrayLike, dimensions: int | None
) -> Features:
    """Return unit vectors ``(n, D)``; ConfigError if one has no direction."""
    try:
        rows = np.asarray(features, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'features must be numbers ({error})') from None
    if rows.ndim == 1:
        rows = rows[None]
    if rows.ndim != 2 or not rows.shape[1]:
        raise ConfigError(f'features must be (n, D), got {rows.shape}')
    if dimensions is not None and rows.shape[1] != dimensions:
        raise ConfigError(
            f'features have {rows.shape[1]} numbers, those of the gallery '
            f'{dimensions}; use the model that filled it'
        )
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(wrong):
        raise ConfigError(
            f'feature {wrong[0]} is zero or not finite, and so has no '
            'direction to compare'
        )
    unit: Features = (rows / lengths[:, None]).astype(np.float32)
    return unit


def check_metadata(
    metadata: Sequence[Metadata] | None, count: int
) -> list[dict[str, Any]]:
    """Return metadata for each record; ConfigError for what cannot be kept.

    Fields to filter by get their type; None leaves a field out.
    """
    if metadata is None:
        return [{} for _ in range(count)]
    entries = metadata if isinstance(metadata, Sequence) else ()
    if len(entries) != count:
        raise ConfigError(f'{len(entries)} metadata for {count} features')
    return [_checked_entry(entry) for entry in entries]


def _checked_entry(entry: Metadata) -> dict[str, Any]:
    try:
        if not all(isinstance(key, str) for key in entry.keys()):
            raise TypeError('keys must be texts')
        known = {
            key: _typed(key, value) if key in FIELDS else value
            for key, value in entry.items()
            if value is not None
        }
        # As UTF-8, which half a character (a surrogate) is not.
        json.dumps(known, allow_nan=False, ensure_ascii=False).encode()
    except ConfigError:
        raise
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f'metadata {type(entry).__name__} cannot be kept as JSON ({error})'
        ) from None
    return known


def _typed(key: str, value: Any) -> Any:
    kind = FIELDS[key]
    number = isinstance(value, int | float | np.integer | np.floating)
    number = number and not isinstance(value, bool)
    try:
        good = isinstance(value, str) or (number and math.isfinite(value))
        typed = kind(value) if good else None
    except (ValueError, OverflowError):
        typed = None
    if isinstance(typed, str) and len(typed) > MAX_NAME:
        raise ConfigError(f'{key} has more than {MAX_NAME} characters')
    if isinstance(typed, str) and not typed.isprintable():
        raise ConfigError(f'{key} {typed!r:.80} is not printable')
    if typed is None or (kind is float and not math.isfinite(typed)):
        what = 'seconds since 1970' if kind is float else 'a text or number'
        raise ConfigError(f'{key} must be {what}, got {value!r:.80}')
    return typed


def where_of(
    start: float | None = None, end: float | None = None, **fields: Any
) -> dict[str, Any]:
    """Make a filter of options, of which None and empty ones leave all."""
    for number in (start, end):
        if number is not None and not math.isfinite(number):
            raise ConfigError(f'a time must be finite, got {number}')
    where = {key: value for key, value in fields.items() if value}
    if start is not None or end is not None:
        where['time'] = (start, end)
    return where


def parse_where(where: Where | None) -> list[tuple[str, str, list[Any]]]:
    """Turn a filter into conditions: field, 'in' or 'range', values.

    Raises:
        ConfigError: For a field or a value that cannot be filtered by.
    """
    conditions: list[tuple[str, str, list[Any]]] = []
    if not isinstance(where, Mapping | None):
        raise ConfigError(f'a filter is a dict of fields, got {where!r:.80}')
    for key, value in (where or {}).items():
        if key not in FIELDS:
            raise ConfigError(
                f'searches filter by {", ".join(FIELDS)}, not by {key!r}'
            )
        if isinstance(value, tuple):
            if len(value) != 2:
                raise ConfigError(
                    f'{key}: a range is (from, to), got {value!r:.80}'
                )
            ends = [v if v is None else _typed(key, v) for v in value]
            conditions.append((key, 'range', ends))
        else:
            values = value if isinstance(value, list | set) else [value]
            conditions.append((key, 'in', [_typed(key, v) for v in values]))
    return conditions

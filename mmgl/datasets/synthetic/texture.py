"""Printed and woven patterns on garments, as functions of cloth position."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class Texture(NamedTuple):
    """A two-colour pattern; lengths are in units of body height."""

    kind: str = 'plain'  # one of ``KINDS``
    period: float = 0.06  # of stripes, checks, dots and blotches
    angle: float = 0.0  # of stripes, in radians; 0 gives horizontal bands
    duty: float = 0.5  # share of the second colour, in (0, 1)
    level: float = 0.1  # how far down a two-tone edge, band or logo is
    size: float = 0.06  # height of a band or of a logo


def ramp(value: Array) -> Array:
    """Rise from 0 to 1 where ``value`` goes from -0.5 to 0.5."""
    share: Array = np.clip(0.5 + value, 0, 1)
    return share


def _square(phase: Array, duty: float) -> Array:
    """Return a softened square wave of period 1, high for ``duty``."""
    edge = np.cos(2 * np.pi * phase) - np.cos(np.pi * duty)
    return ramp(3.0 * edge)


def _step(distance: Array) -> Array:
    """Return 1 where ``distance`` is positive, softly 0 elsewhere."""
    return ramp(distance / 0.012)


def _stripes(tex: Texture, u: Array, v: Array) -> Array:
    along = v * np.cos(tex.angle) + u * np.sin(tex.angle)
    return _square(along / tex.period, tex.duty)


def _checks(tex: Texture, u: Array, v: Array) -> Array:
    rows = _square(v / tex.period, tex.duty)
    return 0.5 * (rows + _square(u / tex.period, tex.duty))


def _dots(tex: Texture, u: Array, v: Array) -> Array:
    grid = np.cos(2 * np.pi * u / tex.period)
    grid = grid + np.cos(2 * np.pi * v / tex.period)
    return ramp(2.0 * (grid - 0.7))


def _two_tone(tex: Texture, u: Array, v: Array) -> Array:
    return _step(v - tex.level) + 0 * u


def _band(tex: Texture, u: Array, v: Array) -> Array:
    return _step(tex.size / 2 - np.abs(v - tex.level)) + 0 * u


def _logo(tex: Texture, u: Array, v: Array) -> Array:
    inside = np.minimum(
        tex.size * 0.8 - np.abs(u), tex.size / 2 - np.abs(v - tex.level)
    )
    return _step(inside)


def _blotches(tex: Texture, u: Array, v: Array) -> Array:
    k = 2 * np.pi / (2.2 * tex.period)
    wave = np.sin(k * (u + 0.6 * v) + 1.3 * np.sin(k * 0.8 * v))
    wave = wave + np.sin(k * (v - 0.4 * u) + 1.7 * np.sin(k * 0.7 * u + 1))
    return ramp(2.0 * (wave + 0.4 * (tex.duty - 0.5)))


def _side(tex: Texture, u: Array, v: Array) -> Array:
    return _step(np.abs(u) - 0.5 * tex.size) + 0 * v


_PATTERNS = dict(
    stripes=_stripes,
    checks=_checks,
    dots=_dots,
    two_tone=_two_tone,
    band=_band,
    logo=_logo,
    blotches=_blotches,
    side=_side,
)


KINDS = ('plain', *_PATTERNS)


def pattern(tex: Texture, u: Array, v: Array) -> Array | float:
    """Return the share of the second colour, (h, w); 0.0 if plain.

    ``u`` is the place around the body, 0 at the front, ``v`` that down the
    garment, 0 at its top; both (h, w).
    """
    if tex.kind == 'plain':
        return 0.0
    return _PATTERNS[tex.kind](tex, u, v)

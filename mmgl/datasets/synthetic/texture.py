"""Printed and woven patterns on garments, as functions of cloth position."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
KINDS = (
    *('plain', 'stripes', 'checks', 'dots', 'two_tone'),
    *('band', 'logo', 'blotches', 'side'),
)


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


def _wave(place: Array, tex: Texture) -> Array:
    """Return a softened square wave, high for ``duty`` of each period."""
    edge = np.cos(2 * np.pi * (place / tex.period)) - np.cos(np.pi * tex.duty)
    return ramp(3.0 * edge)


def _step(distance: Array) -> Array:
    """Return 1 where ``distance`` is positive, softly 0 elsewhere."""
    return ramp(distance / 0.012)


def pattern(tex: Texture, u: Array, v: Array) -> Array | float:
    """Share of the second colour, u around the body, v down the cloth."""
    match tex.kind:
        case 'stripes':
            return _wave(v * np.cos(tex.angle) + u * np.sin(tex.angle), tex)
        case 'checks':
            return 0.5 * (_wave(v, tex) + _wave(u, tex))
        case 'dots':
            grid = np.cos(2 * np.pi * u / tex.period)
            grid = grid + np.cos(2 * np.pi * v / tex.period)
            return ramp(2.0 * (grid - 0.7))
        case 'two_tone':
            return _step(v - tex.level) + 0 * u
        case 'band':
            return _step(tex.size / 2 - np.abs(v - tex.level)) + 0 * u
        case 'logo':
            down = tex.size / 2 - np.abs(v - tex.level)
            return _step(np.minimum(tex.size * 0.8 - np.abs(u), down))
        case 'blotches':
            k = 2 * np.pi / (2.2 * tex.period)
            wave = np.sin(k * (u + 0.6 * v) + 1.3 * np.sin(k * 0.8 * v))
            other = np.sin(k * (v - 0.4 * u) + 1.7 * np.sin(k * 0.7 * u + 1))
            return ramp(2.0 * (wave + other + 0.4 * (tex.duty - 0.5)))
        case 'side':
            return _step(np.abs(u) - 0.5 * tex.size) + 0 * v
    return 0.0

"""Printed and woven patterns on garments, as functions of cloth position."""

from typing import NamedTuple

import numpy as np

KINDS = (
    'plain',
    'stripes',
    'checks',
    'dots',
    'two_tone',
    'band',
    'logo',
    'blotches',
    'side',
)


class Texture(NamedTuple):
    """A two-colour pattern; lengths are in units of body height.

    Attributes:
        kind: One of ``KINDS``.
        period: Repeat length of stripes, checks, dots and blotches.
        angle: Stripe direction in radians; 0 gives horizontal bands.
        duty: Share of the second colour, in (0, 1).
        level: Height on the garment of a two-tone edge, band or logo.
        size: Height of a band or of a logo.
        back: Whether a logo is printed on the back instead of the front.
    """

    kind: str = 'plain'
    period: float = 0.06
    angle: float = 0.0
    duty: float = 0.5
    level: float = 0.1
    size: float = 0.06
    back: bool = False


def _square(phase, duty, sharp=3.0):
    """Return a softened square wave of period 1, high for ``duty``."""
    edge = np.cos(2 * np.pi * phase) - np.cos(np.pi * duty)
    return np.clip(0.5 + sharp * edge, 0, 1)


def _step(distance, soft=0.006):
    """Return 1 where ``distance`` is positive, softly 0 elsewhere."""
    return np.clip(0.5 + distance / (2 * soft), 0, 1)


def _stripes(tex, u, v):
    along = v * np.cos(tex.angle) + u * np.sin(tex.angle)
    return _square(along / tex.period, tex.duty)


def _checks(tex, u, v):
    rows = _square(v / tex.period, tex.duty)
    return 0.5 * (rows + _square(u / tex.period, tex.duty))


def _dots(tex, u, v):
    grid = np.cos(2 * np.pi * u / tex.period)
    grid = grid + np.cos(2 * np.pi * v / tex.period)
    return np.clip(0.5 + 2.0 * (grid - 0.7), 0, 1)


def _two_tone(tex, u, v):
    return _step(v - tex.level) + 0 * u


def _band(tex, u, v):
    return _step(tex.size / 2 - np.abs(v - tex.level)) + 0 * u


def _logo(tex, u, v):
    inside = np.minimum(
        tex.size * 0.8 - np.abs(u), tex.size / 2 - np.abs(v - tex.level)
    )
    return _step(inside)


def _blotches(tex, u, v):
    k = 2 * np.pi / (2.2 * tex.period)
    wave = np.sin(k * (u + 0.6 * v) + 1.3 * np.sin(k * 0.8 * v))
    wave = wave + np.sin(k * (v - 0.4 * u) + 1.7 * np.sin(k * 0.7 * u + 1))
    return np.clip(0.5 + 2.0 * (wave + 0.4 * (tex.duty - 0.5)), 0, 1)


def _side(tex, u, v):
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


def pattern(tex, u, v):
    """Evaluate a texture.

    Args:
        tex (Texture): The pattern.
        u (np.ndarray): (h, w) position around the body, 0 at the front.
        v (np.ndarray): (h, w) position down the garment, 0 at its top.

    Returns:
        np.ndarray | float: (h, w) mixing weight of the second colour in
        [0, 1]; 0.0 for a plain garment.
    """
    if tex.kind == 'plain':
        return 0.0
    return _PATTERNS[tex.kind](tex, u, v)

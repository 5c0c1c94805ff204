"""Paint parts onto a background, in one spectrum."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .identity import Material
from .parts import Part
from .skeleton import Point
from .texture import Array, pattern, ramp

_SHIFT = 4  # fractional bits of the corner coordinates cv2 rounds to


def _limb_frame(part: Part, xs: Array, ys: Array) -> tuple[Array, ...]:
    """Return signed offset over half-width, and cloth u, v of a limb."""
    (x0, y0), (ax, ay) = part.origin, part.axis
    dx, dy = xs - x0, ys - y0
    across = dx * -ay + dy * ax
    return across / part.half, across, dx * ax + dy * ay


def _trunk_frame(
    rows: Array, yaw: float, xs: Array, ys: Array
) -> tuple[Array, ...]:
    """Return signed offset over half-width, and cloth u, v of a trunk."""
    centre = np.interp(ys[:, 0], rows[:, 0], rows[:, 1])[:, None]
    half = np.interp(ys[:, 0], rows[:, 0], rows[:, 2])[:, None]
    offset = (xs - centre) / np.maximum(half, 1e-3)
    angle = np.arcsin(np.clip(offset, -1, 1)) - yaw
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    # 0.1 is a usual chest half-width: it turns angles into lengths.
    return offset, 0.1 * angle, ys - rows[0, 0] + 0 * xs


def _colour(material: Material, u: Array, v: Array, spectrum: int) -> Array:
    """Mix the two colours of a material by its pattern."""
    first, second = material.colours[spectrum]
    if material.texture.kind == 'plain':
        return first
    weight = np.asarray(pattern(material.texture, u, v))[..., None]
    colour: Array = first + weight * (second - first)
    return colour


def _cover(corners: Array, x0: int, y0: int, x1: int, y1: int) -> Array:
    """Return how much of each pixel of a window lies in a polygon."""
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    points = np.rint((corners - (x0, y0)) * (1 << _SHIFT))
    cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return (mask * np.float32(1 / 255))[..., None]


def paint(
    canvas: NDArray[np.float32],
    parts: Sequence[Part],
    spectrum: int,
    scale: float,
    shift: Point,
    light: tuple[float, float],
    folds: NDArray[np.float32],
) -> None:
    """Paint parts, in painting order, on a (H, W, 3 or 1) picture in place.

    ``scale`` is pixels a body height, ``shift`` the pixel of the origin,
    ``light`` from the side and its rounding shade, ``folds`` (H, W) factors.
    """
    height, width = canvas.shape[:2]
    for part in parts:
        corners = part.outline * scale + shift
        x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
        x1, y1 = np.ceil(corners.max(0)).astype(int) + 2
        x1, y1 = min(x1, width), min(y1, height)
        if x1 <= x0 or y1 <= y0:
            continue
        xs = (np.arange(x0, x1, dtype=np.float32) - shift[0])[None] / scale
        ys = (np.arange(y0, y1, dtype=np.float32) - shift[1])[:, None] / scale
        if part.rows is None:
            offset, u, v = _limb_frame(part, xs, ys)
        else:
            offset, u, v = _trunk_frame(part.rows, part.yaw, xs, ys)
        colour = _colour(part.material, u, v, spectrum)
        if part.panel is not None:
            material, reach = part.panel
            inside = ramp((0.1 * reach - np.abs(u)) / 0.01)[..., None]
            panel = _colour(material, u, v, spectrum)
            colour = colour + inside * (panel - colour)
        bulge = np.clip(offset, -1, 1)
        shade = 1 - part.round * light[1] * bulge * bulge
        shade = (shade + light[0] * bulge) * folds[y0:y1, x0:x1]
        region = canvas[y0:y1, x0:x1]
        cover = _cover(corners, x0, y0, x1, y1)
        region += cover * (colour * shade[..., None] - region)

"""Flat pieces a figure is painted from."""

from typing import NamedTuple

import numpy as np

from .identity import Material


class Part(NamedTuple):
    """A filled outline with a cloth coordinate system.

    Attributes:
        outline: (k, 2) corners in the picture plane, in body heights.
        material: What it is made of.
        order: Painting order; a greater one is painted later.
        origin, axis: Start and unit direction of a limb. Unused by trunks.
        half: Half-width of a limb, for shading and for the pattern.
        rows: (n, 3) y, centre x, half-width of a trunk, or None for a limb.
        yaw: Heading of a trunk, so that its pattern turns with the body.
        panel: Material and half-angle of the opening of a jacket, or None.
        round: Strength of the shading that makes a part look round.
    """

    outline: np.ndarray
    material: Material
    order: float
    origin: tuple = (0.0, 0.0)
    axis: tuple = (0.0, 1.0)
    half: float = 0.05
    rows: np.ndarray | None = None
    yaw: float = 0.0
    panel: tuple | None = None
    round: float = 1.0


_ARC = np.linspace(0, np.pi, 7)
_CIRCLE = np.linspace(0, 2 * np.pi, 20, endpoint=False)


def limb(start, end, width, material, order, skip=0.0):
    """Make a tapered, round-ended limb.

    Args:
        start (tuple[float]): First end, in the picture plane.
        end (tuple[float]): Second end.
        width (tuple[float]): Half-widths at both ends.
        material (Material): Surface.
        order (float): Painting order.
        skip (float): Length of the garment above ``start``, so that a
            pattern continues over a joint.

    Returns:
        Part: The limb.
    """
    p0, p1 = np.asarray(start), np.asarray(end)
    step = p1 - p0
    length = max(float(np.hypot(*step)), 1e-4)
    axis = step / length
    base = np.arctan2(axis[1], axis[0])
    heel = base + np.pi / 2 + _ARC
    tip = base - np.pi / 2 + _ARC
    outline = np.concatenate(
        [
            p0 + width[0] * np.stack([np.cos(heel), np.sin(heel)], 1),
            p1 + width[1] * np.stack([np.cos(tip), np.sin(tip)], 1),
        ]
    )
    origin = p0 - axis * skip
    return Part(
        outline,
        material,
        order,
        tuple(origin),
        tuple(axis),
        max(width[0], width[1]),
    )


def ellipse(centre, half, material, order, roundness=1.0):
    """Make an axis-parallel ellipse around ``centre``."""
    ring = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], 1)
    outline = np.asarray(centre) + ring * np.asarray(half)
    origin = (centre[0], centre[1] - half[1])
    return Part(
        outline, material, order, origin, half=half[0], round=roundness
    )


def box(centre, half, material, order, bulge=0.25):
    """Make a box with rounded corners, such as a bag."""
    c, s = np.cos(_CIRCLE), np.sin(_CIRCLE)
    power = 0.3 + bulge
    ring = np.stack(
        [np.sign(c) * np.abs(c) ** power, np.sign(s) * np.abs(s) ** power], 1
    )
    outline = np.asarray(centre) + ring * np.asarray(half)
    origin = (centre[0], centre[1] - half[1])
    return Part(outline, material, order, origin, half=half[0], round=0.6)


def trunk(view, levels, material, order, lean=0.0, panel=None):
    """Make a garment that wraps around the trunk.

    Args:
        view (View): Projection.
        levels (list[tuple]): y, half-width, half-depth and forward offset of
            the cross-sections from top to bottom, in body heights.
        material (Material): Surface.
        order (float): Painting order.
        lean (float): Forward lean per body height above the hip.
        panel (tuple | None): Material and half-angle of an open front.

    Returns:
        Part: The garment.
    """
    rows = np.empty((len(levels), 3))
    for row, (y, wide, deep, ahead) in zip(rows, levels, strict=True):
        forward = ahead + lean * max(0.0, y - 0.5)
        (x, down), _, scale = view((0.0, y, forward))
        row[:] = down, x, view.half_width(wide, deep) * scale
    rows = rows[np.argsort(rows[:, 0], kind='stable')]
    left = np.stack([rows[:, 1] - rows[:, 2], rows[:, 0]], 1)
    right = np.stack([rows[:, 1] + rows[:, 2], rows[:, 0]], 1)
    return Part(
        np.concatenate([left, right[::-1]]),
        material,
        order,
        rows=rows,
        yaw=view.yaw,
        panel=panel,
    )

"""Flat pieces a figure is painted from."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .identity import Identity, Material
from .skeleton import Point, Pose, View, joints

# y, half-width, half-depth and forward offset of a cross-section.
Level = tuple[float, float, float, float]
Panel = tuple[Material, float]


class Part(NamedTuple):
    """A filled outline with a cloth coordinate system, in body heights."""

    outline: NDArray[np.float64]  # (k, 2) corners in the picture plane
    material: Material
    order: float  # a greater one is painted later
    origin: Point = (0.0, 0.0)  # where a limb starts; unused by trunks
    axis: Point = (0.0, 1.0)  # unit direction of a limb; unused by trunks
    half: float = 0.05  # half-width of a limb, for shading and pattern
    # (n, 3) y, centre x, half-width of a trunk, or None for a limb.
    rows: NDArray[np.float64] | None = None
    yaw: float = 0.0  # of a trunk, so that its pattern turns with the body
    panel: Panel | None = None  # what an open front shows, and its half-angle
    round: float = 1.0  # strength of the shading that makes it look round


def _directions(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.cos(angles), np.sin(angles)], 1)


_ARC = np.linspace(0, np.pi, 7)
_CIRCLE = _directions(np.linspace(0, 2 * np.pi, 20, endpoint=False))
_BOX = np.sign(_CIRCLE) * np.abs(_CIRCLE) ** 0.55  # with rounded corners


class Sketch:
    """Collects ``parts`` of a person in a pose, in body heights."""

    def __init__(
        self, person: Identity, pose: Pose, missing: Collection[str]
    ) -> None:
        self.person, self.body = person, person.body
        self.look: Mapping[str, Material] = person.materials
        self.missing = missing
        self.lean = pose.lean
        self.view = View(pose)
        self.points = joints(person.body, pose)
        self.parts: list[Part] = []

    def seen(self, side: int, *names: str) -> list[tuple[Point, float, float]]:
        """Project joints of a side."""
        return [self.view(self.points[f'{name}{side}']) for name in names]

    def limb(
        self,
        start: Point,
        end: Point,
        width: Point,
        material: Material,
        order: float,
        skip: float = 0.0,
    ) -> None:
        """Add a tapered limb; ``skip`` of its garment lies above ``start``."""
        p0, p1 = np.asarray(start), np.asarray(end)
        step = p1 - p0
        axis = step / max(float(np.hypot(*step)), 1e-4)
        base = np.arctan2(axis[1], axis[0])
        heel = p0 + width[0] * _directions(base + np.pi / 2 + _ARC)
        tip = p1 + width[1] * _directions(base - np.pi / 2 + _ARC)
        outline = np.concatenate([heel, tip])
        (x, y), (a, b) = p0 - axis * skip, axis
        part = Part(outline, material, order, (x, y), (a, b), max(width))
        self.parts.append(part)

    def ellipse(
        self,
        centre: Point,
        half: Point,
        material: Material,
        order: float,
        shade: float = 1.0,
        ring: NDArray[np.float64] = _CIRCLE,
    ) -> None:
        """Add an axis-parallel ellipse."""
        outline = np.asarray(centre) + ring * np.asarray(half)
        origin = (centre[0], centre[1] - half[1])
        part = Part(
            outline, material, order, origin, half=half[0], round=shade
        )
        self.parts.append(part)

    def box(
        self, centre: Point, half: Point, material: Material, order: float
    ) -> None:
        """Add a box with rounded corners, such as a bag."""
        self.ellipse(centre, half, material, order, 0.6, _BOX)

    def trunk(
        self,
        levels: Sequence[Level],
        material: Material,
        order: float,
        lean: float = 0.0,
        panel: Panel | None = None,
    ) -> None:
        """Add a garment, from top to bottom, that leans above the hip."""
        rows = np.empty((len(levels), 3))
        for row, (y, wide, deep, ahead) in zip(rows, levels, strict=True):
            forward = ahead + lean * max(0.0, y - 0.5)
            (x, down), _, scale = self.view((0.0, y, forward))
            row[:] = down, x, self.view.half_width(wide, deep) * scale
        rows = rows[np.argsort(rows[:, 0], kind='stable')]
        heights, middles, halves = rows.T
        left = np.stack([middles - halves, heights], 1)
        right = np.stack([middles + halves, heights], 1)
        outline = np.concatenate([left, right[::-1]])
        yaw = self.view.yaw
        part = Part(outline, material, order, rows=rows, yaw=yaw, panel=panel)
        self.parts.append(part)

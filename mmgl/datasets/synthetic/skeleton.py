"""A walking skeleton and the camera that looks at it."""

from typing import NamedTuple

import numpy as np

from .identity import Body

NECK, SHOULDER = 0.85, 0.815
ANKLE = 0.035

Point = tuple[float, float]  # in the picture plane: x right, y down
Joint = tuple[float, float, float]  # x to the side, y up, z to the front


class Pose(NamedTuple):
    """How a person stands and is seen, in radians and body heights."""

    yaw: float  # heading; 0 faces the camera, pi shows the back
    phase: float  # of the walk
    stride: float  # greatest angle of the thighs
    swing: float  # greatest angle of the upper arms
    elbow: float  # bend
    spread: float  # of the arms away from the body
    lean: float  # of the trunk to the front
    pitch: float  # of the camera, downwards
    distance: float  # of the camera


class View:
    """Project body coordinates to the picture plane, in body heights."""

    def __init__(self, pose: Pose) -> None:
        self.yaw, self._distance = pose.yaw, pose.distance
        self.cos, self.sin = np.cos(pose.yaw), np.sin(pose.yaw)
        self._pitch = np.cos(pose.pitch), np.sin(pose.pitch)

    def __call__(self, point: Joint) -> tuple[Point, float, float]:
        """Return place in the picture, depth towards the camera, scale."""
        (x, y, z), (cos, sin) = point, self._pitch
        across = x * self.cos + z * self.sin
        near = z * self.cos - x * self.sin
        y = y - 0.5
        up, depth = y * cos - near * sin, near * cos + y * sin
        scale = 1 / (1 - depth / self._distance)
        return (across * scale, -up * scale), near, scale

    def half_width(self, wide: float, deep: float) -> float:
        """Return the seen half-width of an elliptic cross-section."""
        half: float = np.hypot(wide * self.cos, deep * self.sin)
        return half


def _bone(
    start: Joint, length: float, angle: float, side: float = 0.0
) -> Joint:
    """Return the end of a bone that swings by ``angle`` to the front."""
    down = length * np.cos(angle) * np.cos(side)
    return (
        start[0] + length * np.sin(side),
        start[1] - down,
        start[2] + length * np.sin(angle) * np.cos(side),
    )


def joints(body: Body, pose: Pose) -> dict[str, Joint]:
    """Place the joints, such as 'hip-1' and 'hip1', in body heights."""
    points = {}
    bone = (body.leg - ANKLE) / 2
    for side in (-1, 1):
        wave = np.sin(pose.phase) * side
        thigh = pose.stride * wave
        # The leg that swings forward bends most as it passes the other.
        lift = max(0.0, np.cos(pose.phase) * side)
        bend = pose.stride * (0.25 + 1.1 * lift)
        hip = (side * body.hip * 0.52, body.leg, 0.0)
        knee = _bone(hip, bone, thigh)
        ankle = _bone(knee, bone, thigh - bend)
        toe = (ankle[0] * 1.12, ankle[1] - ANKLE * 0.6, ankle[2] + 0.085)
        leg = dict(hip=hip, knee=knee, ankle=ankle, toe=toe)
        both = leg | _arm(body, pose, side, wave)
        points.update({f'{name}{side}': joint for name, joint in both.items()})
    drop = min(points['ankle-1'][1], points['ankle1'][1]) - ANKLE
    return {k: (x, y - drop, z) for k, (x, y, z) in points.items()}


def _arm(body: Body, pose: Pose, side: int, wave: float) -> dict[str, Joint]:
    """Place one arm, which swings against the leg of its side."""
    lean = pose.lean * (SHOULDER - body.leg)
    angle = -pose.swing * wave
    bent = angle + pose.elbow * (1 + 0.3 * wave)
    away = side * pose.spread
    shoulder = (side * (body.shoulder - 0.018), SHOULDER - 0.012, lean)
    elbow = _bone(shoulder, 0.165 * body.arm, angle, away)
    wrist = _bone(elbow, 0.15 * body.arm, bent, away * 0.4)
    hand = _bone(wrist, 0.035, bent)
    return dict(shoulder=shoulder, elbow=elbow, wrist=wrist, hand=hand)

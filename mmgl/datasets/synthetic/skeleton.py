"""A walking skeleton and the camera that looks at it."""

from typing import NamedTuple

import numpy as np

NECK, SHOULDER = 0.85, 0.815
ANKLE = 0.035


class Pose(NamedTuple):
    """How a person stands and from where the camera looks.

    Attributes:
        yaw: Heading in radians; 0 faces the camera, pi shows the back.
        phase: Walking phase in radians.
        stride: Greatest angle of the thighs.
        swing: Greatest angle of the upper arms.
        elbow: Bend of the elbows.
        spread: Angle of the arms away from the body.
        lean: Forward lean of the trunk.
        pitch: Downward angle of the camera.
        distance: Camera distance in body heights.
    """

    yaw: float
    phase: float
    stride: float
    swing: float
    elbow: float
    spread: float
    lean: float
    pitch: float
    distance: float


class View:
    """Project body coordinates to the picture plane.

    Body axes: x to the side, y up from the ground, z to the front; picture
    axes: x right, y down; both in body heights.

    Args:
        pose (Pose): Heading, pitch and distance are used.
    """

    def __init__(self, pose):
        self.yaw = pose.yaw
        self.cos, self.sin = np.cos(pose.yaw), np.sin(pose.yaw)
        self._cosp, self._sinp = np.cos(pose.pitch), np.sin(pose.pitch)
        self._distance = pose.distance

    def __call__(self, point):
        """Project one point.

        Args:
            point (tuple[float]): x, y, z.

        Returns:
            tuple: (x, y) in the picture, depth towards the camera, scale.
        """
        x, y, z = point
        across = x * self.cos + z * self.sin
        near = z * self.cos - x * self.sin
        y = y - 0.5
        up = y * self._cosp - near * self._sinp
        depth = near * self._cosp + y * self._sinp
        scale = 1 / (1 - depth / self._distance)
        return (across * scale, -up * scale), near, scale

    def half_width(self, wide, deep):
        """Return the seen half-width of an elliptic cross-section."""
        return np.hypot(wide * self.cos, deep * self.sin)


def _limb(start, length, angle, side=0.0):
    """Return the end of a bone that swings by ``angle`` to the front."""
    down = length * np.cos(angle) * np.cos(side)
    return (
        start[0] + length * np.sin(side),
        start[1] - down,
        start[2] + length * np.sin(angle) * np.cos(side),
    )


def joints(body, pose):
    """Place the joints of a walking person.

    Args:
        body (Body): Proportions.
        pose (Pose): Phase, swing angles and lean.

    Returns:
        dict[str, tuple]: x, y, z of ``hip``, ``knee``, ``ankle``, ``toe``,
        ``shoulder``, ``elbow``, ``wrist``, ``hand`` with suffix ``-1`` or
        ``1`` for the side, in body heights.
    """
    points = {}
    bone = (body.leg - ANKLE) / 2
    for side in (-1, 1):
        wave = np.sin(pose.phase) * side
        hip = (side * body.hip * 0.52, body.leg, 0.0)
        thigh = pose.stride * wave
        # The leg that swings forward bends most as it passes the other.
        lift = max(0.0, np.cos(pose.phase) * side)
        bend = pose.stride * (0.25 + 1.1 * lift)
        knee = _limb(hip, bone, thigh)
        ankle = _limb(knee, bone, thigh - bend)
        toe = (ankle[0] * 1.12, ankle[1] - ANKLE * 0.6, ankle[2] + 0.085)
        names = zip(
            ('hip', 'knee', 'ankle', 'toe'),
            (hip, knee, ankle, toe),
            strict=True,
        )
        points.update({f'{name}{side}': value for name, value in names})
        points.update(_arm(body, pose, side, wave))
    drop = min(points['ankle-1'][1], points['ankle1'][1]) - ANKLE
    return {k: (x, y - drop, z) for k, (x, y, z) in points.items()}


def _arm(body, pose, side, wave):
    """Place one arm, which swings against the leg of its side."""
    lean = pose.lean * (SHOULDER - body.leg)
    shoulder = (side * (body.shoulder - 0.018), SHOULDER - 0.012, lean)
    angle = -pose.swing * wave
    away = side * pose.spread
    elbow = _limb(shoulder, 0.165 * body.arm, angle, away)
    bent = angle + pose.elbow * (1 + 0.3 * wave)
    wrist = _limb(elbow, 0.15 * body.arm, bent, away * 0.4)
    hand = _limb(wrist, 0.035, bent)
    return {
        f'shoulder{side}': shoulder,
        f'elbow{side}': elbow,
        f'wrist{side}': wrist,
        f'hand{side}': hand,
    }

"""The fixed properties of the cameras."""

from typing import NamedTuple

import numpy as np

from .identity import INFRARED, THERMAL, VISIBLE

FRONT, RIGHT, BACK, LEFT = 0.0, np.pi / 2, np.pi, -np.pi / 2


class Camera(NamedTuple):
    """One camera.

    Attributes:
        spectrum: VISIBLE, INFRARED or THERMAL.
        place: Location number; cameras at one place share the background.
        indoor: Whether the place is indoors.
        views: Probability of front, right, back and left views.
        pitch: Usual downward angle in radians.
        distance: Usual distance in body heights.
        gain: Blue, green, red (or grey) exposure.
        offset: Added black level (haze).
        noise: Standard deviation of the sensor noise, in [0, 1].
        blur: Usual Gaussian blur at 128 pixels height, in pixels.
        spot: Strength of the illuminator's hot spot (infrared).
    """

    spectrum: int
    place: int
    indoor: bool
    views: tuple
    pitch: float
    distance: float
    gain: tuple
    offset: float
    noise: float
    blur: float
    spot: float = 0.0


SYSU_CAMERAS = {
    1: Camera(
        VISIBLE,
        0,
        True,
        (0.5, 0.15, 0.25, 0.1),
        0.10,
        5.0,
        (0.98, 1.05, 1.12),
        0.02,
        0.012,
        0.45,
    ),
    2: Camera(
        VISIBLE,
        1,
        True,
        (0.3, 0.25, 0.3, 0.15),
        0.22,
        4.0,
        (1.0, 0.95, 0.86),
        0.03,
        0.016,
        0.5,
    ),
    3: Camera(
        INFRARED,
        1,
        True,
        (0.35, 0.15, 0.3, 0.2),
        0.20,
        4.2,
        (0.95,),
        0.02,
        0.02,
        0.6,
        0.55,
    ),
    4: Camera(
        VISIBLE,
        2,
        False,
        (0.35, 0.15, 0.35, 0.15),
        0.16,
        6.0,
        (1.2, 1.15, 1.1),
        0.05,
        0.012,
        0.5,
    ),
    5: Camera(
        VISIBLE,
        3,
        False,
        (0.25, 0.3, 0.2, 0.25),
        0.28,
        5.0,
        (0.9, 0.86, 0.78),
        0.02,
        0.018,
        0.55,
    ),
    6: Camera(
        INFRARED,
        4,
        False,
        (0.35, 0.2, 0.3, 0.15),
        0.18,
        5.5,
        (0.85,),
        0.03,
        0.028,
        0.7,
        0.8,
    ),
}

REGDB_CAMERAS = {
    VISIBLE: Camera(
        VISIBLE,
        5,
        False,
        (0.5, 0.0, 0.5, 0.0),
        0.12,
        6.0,
        (1.02, 1.0, 0.98),
        0.03,
        0.014,
        0.5,
    ),
    INFRARED: Camera(
        THERMAL,
        5,
        False,
        (0.5, 0.0, 0.5, 0.0),
        0.12,
        6.0,
        (1.0,),
        0.0,
        0.02,
        1.0,
        0.0,
    ),
}

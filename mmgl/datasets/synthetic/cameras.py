"""The fixed properties of the cameras."""

from typing import NamedTuple

from .identity import INFRARED, THERMAL, VISIBLE


class Place(NamedTuple):
    """Cameras at one place share the background."""

    number: int
    indoor: bool


class Aim(NamedTuple):
    """From where a camera usually sees people."""

    views: tuple[float, ...]  # shares of front, right, back and left views
    pitch: float  # downwards, in radians
    distance: float  # in body heights


class Sensor(NamedTuple):
    """What a camera makes of the light."""

    spectrum: int
    gain: tuple[float, ...]  # exposure of blue, green, red, or of grey
    haze: float  # added to black
    noise: float  # standard deviation; white is 1
    blur: float  # usual Gaussian blur at 128 pixels height, in pixels
    spot: float = 0.0  # strength of the illuminator's hot spot (infrared)


class Camera(NamedTuple):
    """One camera."""

    place: Place
    aim: Aim
    sensor: Sensor


SYSU_CAMERAS = {
    1: Camera(
        Place(0, indoor=True),
        Aim((0.5, 0.15, 0.25, 0.1), pitch=0.10, distance=5.0),
        Sensor(VISIBLE, (0.98, 1.05, 1.12), haze=0.02, noise=0.012, blur=0.45),
    ),
    2: Camera(
        Place(1, indoor=True),
        Aim((0.3, 0.25, 0.3, 0.15), pitch=0.22, distance=4.0),
        Sensor(VISIBLE, (1.0, 0.95, 0.86), haze=0.03, noise=0.016, blur=0.5),
    ),
    3: Camera(
        Place(1, indoor=True),
        Aim((0.35, 0.15, 0.3, 0.2), pitch=0.20, distance=4.2),
        Sensor(INFRARED, (0.95,), haze=0.02, noise=0.02, blur=0.6, spot=0.55),
    ),
    4: Camera(
        Place(2, indoor=False),
        Aim((0.35, 0.15, 0.35, 0.15), pitch=0.16, distance=6.0),
        Sensor(VISIBLE, (1.2, 1.15, 1.1), haze=0.05, noise=0.012, blur=0.5),
    ),
    5: Camera(
        Place(3, indoor=False),
        Aim((0.25, 0.3, 0.2, 0.25), pitch=0.28, distance=5.0),
        Sensor(VISIBLE, (0.9, 0.86, 0.78), haze=0.02, noise=0.018, blur=0.55),
    ),
    6: Camera(
        Place(4, indoor=False),
        Aim((0.35, 0.2, 0.3, 0.15), pitch=0.18, distance=5.5),
        Sensor(INFRARED, (0.85,), haze=0.03, noise=0.028, blur=0.7, spot=0.8),
    ),
}

_STREET = Place(5, indoor=False)
_ALONG = Aim((0.5, 0.0, 0.5, 0.0), pitch=0.12, distance=6.0)
_COLOUR = Sensor(VISIBLE, (1.02, 1.0, 0.98), haze=0.03, noise=0.014, blur=0.5)
_HEAT = Sensor(THERMAL, (1.0,), haze=0.0, noise=0.02, blur=1.0)
REGDB_CAMERAS = {
    VISIBLE: Camera(_STREET, _ALONG, _COLOUR),
    INFRARED: Camera(_STREET, _ALONG, _HEAT),
}

"""Backgrounds: one wide picture per place, cropped anew for every image."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from .cameras import Place
from .identity import INFRARED, THERMAL, VISIBLE
from .sensor import Picture, resize

HEIGHT, WIDTH = 420, 900
Tone = tuple[float, ...]
HORIZON = 250  # row where the wall meets the floor


class _Brush:
    """Draw the same shapes in three spectra with independent tones."""

    def __init__(self, seed: int, place: int, spectrum: int) -> None:
        self.shape = np.random.default_rng([seed, 21, place])
        self._tone = np.random.default_rng([seed, 22, place, spectrum])
        self.spectrum = spectrum
        channels = 3 if spectrum == VISIBLE else 1
        self.image = np.zeros((HEIGHT, WIDTH, channels), np.float32)

    def tone(self, low: float, high: float) -> Tone:
        """Draw a tone; thermal backgrounds are cool and flat."""
        if self.spectrum == THERMAL:
            low, high = 0.1, 0.3
        level = self._tone.uniform(low, high)
        if self.spectrum != VISIBLE:
            return (float(level),)
        warm, green = self._tone.uniform(-0.035, 0.035, 2)
        shifts = (-warm, green * 0.6, warm)
        return tuple(float(np.clip(level + s, 0, 1)) for s in shifts)

    def leaves(self) -> Tone:
        """Draw a tone for plants: green to the eye, bright in infrared."""
        if self.spectrum != VISIBLE:
            return self.tone(0.45, 0.8)
        level = self._tone.uniform(0.22, 0.42)
        return (0.5 * level, level, 0.72 * level)

    def polygon(self, corners: ArrayLike, tone: Tone) -> None:
        """Fill a polygon with corners (k, 2)."""
        points = np.rint(np.asarray(corners, float)).astype(np.int32)
        cv2.fillPoly(self.image, [points], tone, cv2.LINE_8)

    def box(
        self, x: float, y: float, wide: float, high: float, tone: Tone
    ) -> None:
        """Fill a rectangle given by its upper left corner."""
        corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
        self.polygon(corners, tone)


def _floor(brush: _Brush, tiles: bool) -> None:
    """Draw a floor with lines that run to a vanishing point."""
    brush.box(0, HORIZON, WIDTH, HEIGHT - HORIZON, brush.tone(0.25, 0.65))
    line = brush.tone(0.2, 0.7)
    if not tiles:
        return
    for x in range(-WIDTH, 2 * WIDTH, 70):
        far = WIDTH / 2 + (x - WIDTH / 2) * 0.45
        edge = [(far, HORIZON), (far + 2, HORIZON)]
        brush.polygon([*edge, (x + 5, HEIGHT), (x, HEIGHT)], line)
    for step in range(1, 8):
        y = HORIZON + (HEIGHT - HORIZON) * (step / 8) ** 1.6
        brush.box(0, y, WIDTH, 1 + step / 3, line)


def _indoor(brush: _Brush) -> None:
    """Draw a corridor: wall, skirting board, doors, posters, pillars."""
    rng = brush.shape
    brush.box(0, 0, WIDTH, HORIZON, brush.tone(0.35, 0.75))
    _floor(brush, True)
    rail = int(rng.integers(120, 190))
    brush.box(0, rail, WIDTH, HORIZON - rail, brush.tone(0.25, 0.7))
    brush.box(0, HORIZON - 9, WIDTH, 9, brush.tone(0.1, 0.5))
    for x in range(20, WIDTH, 150):
        kind, x = rng.integers(0, 4), x + int(rng.integers(-25, 25))
        if kind == 0:
            brush.box(x, 70, 80, HORIZON - 70, brush.tone(0.1, 0.6))
            brush.box(x + 8, 80, 64, HORIZON - 88, brush.tone(0.2, 0.7))
        elif kind == 1:
            brush.box(x, 60, 70, 85, brush.tone(0.1, 0.4))
            brush.box(x + 5, 65, 60, 75, brush.tone(0.3, 0.9))
        elif kind == 2:
            brush.box(x, 0, 34, HORIZON + 14, brush.tone(0.3, 0.7))
            brush.box(x + 34, 0, 9, HORIZON + 10, brush.tone(0.1, 0.4))
        else:
            brush.box(x, 190, 95, 62, brush.tone(0.15, 0.6))
            brush.box(x + 4, 166, 87, 26, brush.tone(0.2, 0.6))


def _outdoor(brush: _Brush) -> None:
    """Draw a yard: sky or buildings, hedge, trees, poles, paving."""
    rng = brush.shape
    brush.box(0, 0, WIDTH, HORIZON, brush.tone(0.45, 0.85))
    _floor(brush, bool(rng.random() < 0.6))
    for x in range(0, WIDTH, 190):
        top = int(rng.integers(10, 120))
        brush.box(x, top, 180, HORIZON - top, brush.tone(0.25, 0.7))
        pane = brush.tone(0.1, 0.6)
        for row in range(top + 15, HORIZON - 50, 48):
            for column in range(x + 15, x + 160, 42):
                brush.box(column, row, 24, 30, pane)
    hedge = int(rng.integers(195, 235))
    brush.box(0, hedge, WIDTH, HORIZON - hedge + 4, brush.leaves())
    for x in range(40, WIDTH, 170):
        x, y = x + int(rng.integers(-50, 50)), int(rng.integers(60, 130))
        bark, leaves = brush.tone(0.1, 0.35), brush.leaves()
        if rng.random() < 0.6:
            brush.box(x - 6, y, 13, HORIZON - y, bark)
            for _ in range(14):
                spot = rng.normal((x, y), (34, 26)).astype(int).tolist()
                size = int(rng.integers(10, 26))
                cv2.circle(brush.image, spot, size, leaves, -1)
        else:
            brush.box(x, 0, 7, HORIZON + 12, bark)
            brush.box(x + 26, 205, 74, 52, leaves)


@lru_cache(maxsize=24)
def background(seed: int, place: Place, spectrum: int) -> Picture:
    """Draw the wide, shared, read-only background of a place, 0 to 1."""
    brush = _Brush(seed, place.number, spectrum)
    (_indoor if place.indoor else _outdoor)(brush)
    rng = np.random.default_rng([seed, 23, place.number])
    image: Picture = brush.image
    strength = {VISIBLE: 0.14, INFRARED: 0.12, THERMAL: 0.05}[spectrum]
    for step, share in ((60, 0.7), (18, 0.35), (4, 0.25)):
        coarse = rng.normal(size=(HEIGHT // step + 2, WIDTH // step + 2))
        coarse = coarse.astype(np.float32)
        grain = resize(coarse, (HEIGHT, WIDTH), cv2.INTER_CUBIC)
        image = image * (1 + strength * share * grain)
    image = np.clip(image, 0, 1)
    image.flags.writeable = False
    return image


def crop_background(
    wide: Picture,
    rng: Generator,
    shape: tuple[int, int],
    feet: float,
    clutter: float,
) -> Picture:
    """Cut a writable ``shape``; ``feet`` is their row over the height."""
    height, width = shape
    high = int(rng.uniform(200, 280))
    wide_px = max(8, int(high * width / height))
    ground = rng.uniform(HORIZON + 25, HORIZON + 110)
    y = int(np.clip(ground - feet * high, 0, HEIGHT - high))
    x = int(rng.integers(0, WIDTH - wide_px))
    image = resize(wide[y : y + high, x : x + wide_px], shape)
    if clutter != 1:
        mean = image.mean((0, 1), keepdims=True)
        image = mean + clutter * (image - mean)
    return np.ascontiguousarray(image, np.float32)

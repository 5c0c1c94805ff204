"""Backgrounds: one wide picture per place, cropped anew for every image."""

from functools import lru_cache

import cv2
import numpy as np

from .identity import INFRARED, THERMAL, VISIBLE

HEIGHT, WIDTH = 420, 900
HORIZON = 250  # row where the wall meets the floor


class _Brush:
    """Draw the same shapes in three spectra with independent tones.

    Args:
        seed (int): Seed of the data set.
        place (int): Location number.
        spectrum (int): The spectrum to draw.
    """

    def __init__(self, seed, place, spectrum):
        self.shape = np.random.default_rng([seed, 21, place])
        self._tone = np.random.default_rng([seed, 22, place, spectrum])
        self.spectrum = spectrum
        channels = 3 if spectrum == VISIBLE else 1
        self.image = np.zeros((HEIGHT, WIDTH, channels), np.float32)

    def tone(self, low=0.15, high=0.75, tint=0.035):
        """Draw a tone; thermal backgrounds are cool and flat."""
        if self.spectrum == THERMAL:
            low, high = 0.1, 0.3
        level = self._tone.uniform(low, high)
        if self.spectrum != VISIBLE:
            return (float(level),)
        warm, green = self._tone.uniform(-tint, tint, 2)
        shifts = (-warm, green * 0.6, warm)
        return tuple(float(np.clip(level + s, 0, 1)) for s in shifts)

    def leaves(self):
        """Draw a tone for plants: green to the eye, bright in infrared."""
        if self.spectrum != VISIBLE:
            return self.tone(0.45, 0.8)
        level = self._tone.uniform(0.22, 0.42)
        return (0.5 * level, level, 0.72 * level)

    def shape_of(self, corners, tone):
        """Fill a polygon with corners (k, 2)."""
        points = np.rint(np.asarray(corners, float)).astype(np.int32)
        cv2.fillPoly(self.image, [points], tone, cv2.LINE_8)

    def box(self, x, y, wide, high, tone):
        """Fill a rectangle given by its upper left corner."""
        corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
        self.shape_of(corners, tone)


def _floor(brush, tiles):
    """Draw a floor with lines that run to a vanishing point."""
    brush.box(0, HORIZON, WIDTH, HEIGHT - HORIZON, brush.tone(0.25, 0.65))
    line = brush.tone(0.2, 0.7)
    if not tiles:
        return
    for x in range(-WIDTH, 2 * WIDTH, 70):
        far = WIDTH / 2 + (x - WIDTH / 2) * 0.45
        brush.shape_of(
            [(far, HORIZON), (far + 2, HORIZON), (x + 5, HEIGHT), (x, HEIGHT)],
            line,
        )
    for step in range(1, 8):
        y = HORIZON + (HEIGHT - HORIZON) * (step / 8) ** 1.6
        brush.box(0, y, WIDTH, 1 + step / 3, line)


def _indoor(brush):
    """Draw a corridor: wall, skirting board, doors, posters, pillars."""
    rng = brush.shape
    brush.box(0, 0, WIDTH, HORIZON, brush.tone(0.35, 0.75))
    _floor(brush, True)
    rail = rng.integers(120, 190)
    brush.box(0, rail, WIDTH, HORIZON - rail, brush.tone(0.25, 0.7))
    brush.box(0, HORIZON - 9, WIDTH, 9, brush.tone(0.1, 0.5))
    for x in range(20, WIDTH, 150):
        kind, x = rng.integers(0, 4), x + rng.integers(-25, 25)
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


def _outdoor(brush):
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
                spot = rng.normal((x, y), (34, 26)).astype(int)
                cv2.circle(
                    brush.image,
                    tuple(int(v) for v in spot),
                    int(rng.integers(10, 26)),
                    leaves,
                    -1,
                )
        else:
            brush.box(x, 0, 7, HORIZON + 12, bark)
            brush.box(x + 26, 205, 74, 52, leaves)


@lru_cache(maxsize=24)
def background(seed, place, indoor, spectrum):
    """Draw the wide background of a place.

    Args:
        seed (int): Seed of the data set.
        place (int): Location number; one place looks alike from all its
            cameras, up to the tones of the spectrum.
        indoor (bool): Corridor or yard.
        spectrum (int): VISIBLE, INFRARED or THERMAL.

    Returns:
        np.ndarray: (420, 900, 3 or 1) float32 in [0, 1]; read-only.
    """
    brush = _Brush(seed, place, spectrum)
    (_indoor if indoor else _outdoor)(brush)
    rng = np.random.default_rng([seed, 23, place])
    image = brush.image
    strength = {VISIBLE: 0.14, INFRARED: 0.12, THERMAL: 0.05}[spectrum]
    for step, share in ((60, 0.7), (18, 0.35), (4, 0.25)):
        grain = rng.normal(size=(HEIGHT // step + 2, WIDTH // step + 2))
        grain = cv2.resize(
            grain.astype(np.float32),
            (WIDTH, HEIGHT),
            interpolation=cv2.INTER_CUBIC,
        )
        image = image * (1 + strength * share * grain[..., None])
    image = np.clip(image, 0, 1)
    image.flags.writeable = False
    return image


def crop_background(wide, rng, shape, feet, clutter):
    """Cut the surroundings of one person.

    Args:
        wide (np.ndarray): From :func:`background`.
        rng (np.random.Generator): Draws the place of the cut.
        shape (tuple[int]): Height and width of the picture.
        feet (float): Row of the feet in the picture over its height.
        clutter (float): Contrast factor around the mean tone.

    Returns:
        np.ndarray: (H, W, C) float32, writable.
    """
    height, width = shape
    high = int(rng.uniform(200, 280))
    wide_px = max(8, int(high * width / height))
    ground = rng.uniform(HORIZON + 25, HORIZON + 110)
    y = int(np.clip(ground - feet * high, 0, HEIGHT - high))
    x = int(rng.integers(0, WIDTH - wide_px))
    cut = wide[y : y + high, x : x + wide_px]
    image = cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR)
    image = image.reshape(height, width, -1)
    if clutter != 1:
        mean = image.mean((0, 1), keepdims=True)
        image = mean + clutter * (image - mean)
    return np.ascontiguousarray(image, np.float32)

"""From radiance to a noisy, blurred, compressed 8-bit picture."""

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mmgl.protocols.difficulty import Difficulty

from .cameras import Sensor
from .identity import INFRARED, VISIBLE

Picture = NDArray[Any]  # float32; the stubs of OpenCV know no more


def resize(
    image: Picture, size: tuple[int, int], how: int = cv2.INTER_LINEAR
) -> Picture:
    """Resize to (height, width); a single channel keeps its axis."""
    resized = cv2.resize(image, size[::-1], interpolation=how)
    return resized.reshape(*size, -1)


def illuminate(
    image: Picture, sensor: Sensor, rng: Generator, lighting: float
) -> Picture:
    """Apply exposure, cast, spot and gamma to radiance, overwritten."""
    height, width = image.shape[:2]
    gain = np.asarray(sensor.gain, np.float32)
    gain = 1 + (gain - 1) * min(lighting, 1)
    image *= gain * np.float32(np.exp(lighting * rng.normal(0, 0.16)))
    if sensor.spectrum == VISIBLE:
        image *= (1 + lighting * rng.normal(0, 0.04, 3)).astype(np.float32)
        ramp = lighting * rng.uniform(-0.18, 0.18)
        column = np.linspace(1 - ramp, 1 + ramp, height, dtype=np.float32)
        image *= column[:, None, None]
    elif sensor.spectrum == INFRARED:
        x0, y0 = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.6)
        xs = (np.arange(width, dtype=np.float32) / width - x0) * 0.6
        ys = np.arange(height, dtype=np.float32) / height - y0
        reach = np.float32(rng.uniform(0.10, 0.30))
        spot = np.exp(-(xs[None] ** 2 + ys[:, None] ** 2) / reach)
        strength = np.float32(sensor.spot * lighting)
        image *= (1 - 0.55 * strength + strength * spot)[..., None]
    image += np.float32(sensor.haze)
    gamma = np.float32(np.exp(lighting * rng.normal(0, 0.1)))
    return np.maximum(image, 0) ** gamma


def _smear(
    image: Picture, rng: Generator, sensor: Sensor, blur: float
) -> Picture:
    """Apply defocus and, now and then, motion blur."""
    size = image.shape[0] / 128
    sigma = blur * size * sensor.blur * rng.uniform(0.5, 1.7)
    if sigma > 0.15:
        image = cv2.GaussianBlur(image, (0, 0), float(sigma))
    if rng.random() < 0.15 * min(blur, 1):
        length = max(3, int(round(3.5 * size * blur)))
        kernel = np.full((1, length), 1 / length, np.float32)
        image = cv2.filter2D(image, -1, kernel)
    return image


def expose(
    image: Picture, sensor: Sensor, rng: Generator, difficulty: Difficulty
) -> NDArray[np.uint8]:
    """Turn a picture, (H, W, C) in [0, 1], into 8-bit blue-green-red."""
    image = _smear(image, rng, sensor, difficulty.blur)
    image = image.reshape(*image.shape[:2], -1)
    sigma = difficulty.noise * sensor.noise * rng.uniform(0.5, 1.6)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    # Shot noise grows with the signal, read noise does not.
    image = image + np.float32(sigma) * noise * (0.6 + 0.8 * np.sqrt(image))
    pixels = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    return np.repeat(pixels, 3 // pixels.shape[2], axis=2)

"""The operations of AugMix on uint8 images, in numpy and OpenCV.

Each does what the function of PIL named in it does: those that map grey
levels to the bit, the geometric ones up to the rounding of the interpolation.
All take and return (row-)contiguous uint8 images ``(H, W, 3)`` and change no
argument. Only :func:`color` and :func:`contrast` care for the order: BGR.
"""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..types import Image

LEVELS = np.arange(256)
# Larger blocks the system hands out anew each time, page by page, which
# takes longer than what is computed in them.
BLOCK_BYTES = 120_000
INTERPOLATIONS = {'nearest': cv2.INTER_NEAREST, 'bilinear': cv2.INTER_LINEAR}
# Grey of a BGR image, as PIL and ITU-R 601 weigh the channels.
GREY_WEIGHTS = np.array([[0.114, 0.587, 0.299]], np.float32)


def _look_up(img: Image, tables: npt.NDArray[Any]) -> Image:
    """Map the levels of each channel by its row of tables ``(3, 256)``."""
    tables = tables.clip(0, 255).astype(np.uint8)
    return cv2.LUT(img, np.ascontiguousarray(tables.T)[None])


def autocontrast(img: Image) -> Image:
    """Stretch each channel to 0...255 (``PIL.ImageOps.autocontrast``)."""
    # Over the rows first: channels then lie side by side, for SIMD.
    rows = img.reshape(len(img), -1)
    low = rows.min(axis=0).reshape(-1, 3).min(axis=0).astype(float)
    high = rows.max(axis=0).reshape(-1, 3).max(axis=0).astype(float)
    span = np.where(high > low, high - low, 255)
    low = np.where(high > low, low, 0)
    if (span == 255).all():
        return img
    scale = 255 / span[:, None]
    # PIL rounds toward zero.
    return _look_up(img, np.trunc(LEVELS * scale - low[:, None] * scale))


def equalize(img: Image) -> Image:
    """Equalise the histogram of each channel (``PIL.ImageOps.equalize``)."""
    tables: list[npt.NDArray[Any]] = []
    for channel in range(3):
        counts = cv2.calcHist([img], [channel], None, [256], [0, 256])
        counts = counts.ravel().astype(np.int64)
        used = np.flatnonzero(counts)
        step = int(counts.sum() - counts[used[-1]]) // 255
        if len(used) < 2 or not step:
            tables.append(LEVELS)
        else:
            below = np.cumsum(counts) - counts
            tables.append((step // 2 + below) // step)
    return _look_up(img, np.stack(tables))


def posterize(img: Image, bits: int) -> Image:
    """Keep the highest 0 to 8 bits (``PIL.ImageOps.posterize``)."""
    kept: Image = img & np.uint8(256 - 2 ** (8 - bits))
    return kept


def solarize(img: Image, threshold: int) -> Image:
    """Invert levels from 0 to 256 on (``PIL.ImageOps.solarize``)."""
    # 255 - x is x with all bits turned.
    turned = cv2.threshold(img, threshold - 1, 255, cv2.THRESH_BINARY)[1]
    return cv2.bitwise_xor(img, turned)


def affine(
    img: Image,
    matrix: tuple[float, float, float, float, float, float],
    interpolation: str = 'bilinear',
) -> Image:
    """Transform the plane (``PIL.Image.transform(..., AFFINE)``).

    By the matrix ``(a, b, c, d, e, f)`` a place ``(x, y)`` of the result
    shows ``(a x + b y + c, d x + e y + f)``, both counted from the corner of
    the corner pixel. What lies outside is black.
    """
    a, b, c, d, e, f = matrix
    # OpenCV counts from the centre of the corner pixel.
    inverse = np.array(
        [[a, b, c + (a + b - 1) / 2], [d, e, f + (d + e - 1) / 2]]
    )
    # Four channels take OpenCV half the time of three.
    padded = cv2.cvtColor(img, cv2.COLOR_BGR2BGRA)
    flags = INTERPOLATIONS[interpolation] | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(padded, inverse, img.shape[1::-1], flags=flags)
    return cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR)


def rotate(
    img: Image, degrees: float, interpolation: str = 'bilinear'
) -> Image:
    """Turn counter-clockwise about the centre (``PIL.Image.rotate``)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = img.shape[1] / 2, img.shape[0] / 2
    to_x, to_y = x - cos * x + sin * y, y - sin * x - cos * y
    return affine(img, (cos, -sin, to_x, sin, cos, to_y), interpolation)


def translate(img: Image, right: int = 0, down: int = 0) -> Image:
    """Move by pixels, at most the size either way; what comes in is black."""
    height, width = img.shape[:2]
    moved = np.zeros_like(img)
    source = img[max(-down, 0) : height - max(down, 0)]
    source = source[:, max(-right, 0) : width - max(right, 0)]
    target = moved[max(down, 0) :, max(right, 0) :]
    target[: len(source), : source.shape[1]] = source
    return moved


def _blend(img: Image, other: Image | float, factor: float) -> Image:
    """Mix with another or a level; the half makes it round as PIL."""
    if isinstance(other, np.ndarray):
        return cv2.addWeighted(img, factor, other, 1 - factor, -0.5)
    table = np.trunc(LEVELS * factor + other * (1 - factor))
    return cv2.LUT(img, table.clip(0, 255).astype(np.uint8))


def _grey(img: Image) -> Image:
    """Return the grey version ``(H, W)`` of a BGR image."""
    return cv2.transform(img, GREY_WEIGHTS)


def color(img: Image, factor: float) -> Image:
    """Change the saturation (``PIL.ImageEnhance.Color``); 0 is grey."""
    return _blend(img, cv2.merge([_grey(img)] * 3), factor)


def contrast(img: Image, factor: float) -> Image:
    """Change the contrast (``PIL.ImageEnhance.Contrast``); 0 is grey."""
    return _blend(img, round(cv2.mean(_grey(img))[0]), factor)


def brightness(img: Image, factor: float) -> Image:
    """Change the brightness (``PIL.ImageEnhance.Brightness``); 0 is black."""
    return _blend(img, 0, factor)


def sharpness(img: Image, factor: float) -> Image:
    """Change the sharpness (``PIL.ImageEnhance.Sharpness``); 0 is smooth."""
    kernel = np.full((3, 3), 1 / 13)
    kernel[1, 1] = 5 / 13
    smooth = cv2.filter2D(img, -1, kernel)
    # PIL leaves the border alone.
    for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
        smooth[edge] = img[edge]
    return _blend(img, smooth, factor)


def mix(images: list[Image], weights: list[float]) -> Image:
    """Return a weighted sum of images, rounded once, clipped to 0...255."""
    out = np.empty_like(images[0])
    height = max(1, BLOCK_BYTES // (4 * out[0].size))
    for top in range(0, len(out), height):
        rows = slice(top, top + height)
        _mix_rows([image[rows] for image in images], weights, out[rows])
    return out


def _mix_rows(images: list[Image], weights: list[float], out: Image) -> None:
    """Write the weighted sum of some rows to ``out``."""
    if len(images) % 2:
        images, weights = [*images, images[-1]], [*weights, 0.0]
    given = images[::2], weights[::2], images[1::2], weights[1::2]
    # In halves: OpenCV adds two images faster than one to a sum.
    halves = [
        cv2.addWeighted(*pair, 0, dtype=cv2.CV_32F)
        for pair in zip(*given, strict=True)
    ]
    total = halves[0]
    for half in halves[1:-1]:
        total = cv2.add(total, half)
    last: Any = halves[-1] if len(halves) > 1 else 0
    cv2.add(total, last, out, dtype=cv2.CV_8U)

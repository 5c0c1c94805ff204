"""Resizing of uint8 images by the filters of PIL, as all pipelines do it.

Where PIL shrinks, a filter grows with the factor, so that all pixels of the
source count; OpenCV's bilinear one looks at four of them. Followed is Pillow
before version 13: columns are resized first, then rows, and both results are
rounded to uint8. (Pillow 13 takes the rows first where that is less work; the
public code needs one before 10.)

Sums are torch's where torch is in use; without it numpy takes longer for the
same bits.
"""

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .images import Pixels, as_contiguous

Ints = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

# PIL's weights are multiples of 2 ** -22; float32 sums of their products with
# uint8 are exact only in two parts of half as many bits each.
UNIT = 2**-11
# More than what rounding may change in other sums of dozens of products.
NEARLY_HALF = 2**-12


def _triangle(x: Values) -> Values:
    """Return 1 - abs(x), 0 from 1 on."""
    return np.asarray(np.maximum(1 - np.abs(x), 0))


def _cubic(x: Values) -> Values:
    """Return the cubic convolution kernel (Keys 1981) with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: Values) -> Values:
    """Return sinc(x) sinc(x / 3), 0 from 3 on."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


# The values of a filter, and the distance at which it ends.
KERNELS: dict[str, tuple[Callable[[Values], Values], int]] = {
    'lanczos': (_lanczos, 3),
    'bilinear': (_triangle, 1),
    'bicubic': (_cubic, 2),
}
# By these, or as OpenCV does, for pipelines without PILResize.
OPENCV = 'opencv'
INTERPOLATIONS = (*KERNELS, OPENCV)


class Taps(NamedTuple):
    """Which source pixels each output pixel is the weighted sum of.

    If ``split``, all output pixels come twice: with the integer parts of the
    weights, then with what is left, from 0 on and below 1.
    """

    indices: npt.NDArray[np.int32]  # the source pixels of all output pixels
    starts: npt.NDArray[np.int32]  # the first tap of each output pixel
    weights: npt.NDArray[np.float32]  # in units of 2 ** -11
    signed: bool  # some weights are negative
    split: bool
    shift: float  # added before sums are rounded, in grey levels


@lru_cache(maxsize=512)
def taps_of(
    length: int, new_length: int, interpolation: str, last: bool
) -> Taps:
    """Return how PIL computes a row of pixels from another one.

    PIL rounds halves upwards, after rounding the weights. A plain float32
    sum cannot follow it at a half, and an error of the first pass may grow
    in the second one, to two grey levels altogether. Therefore the first
    pass is exact for filters with negative weights; for the other one it
    rounds up in doubt, which adds one at most to what the second pass sees,
    and the second one, ``last``, rounds down in doubt.
    """
    first, counts, weights = _pil_weights(length, new_length, interpolation)
    weights *= 1 / UNIT
    coarse = np.floor(weights)
    signed = bool(coarse.min() < 0)
    split = signed and not last
    parts = (coarse, weights - coarse) if split else (weights,)
    exact = split or np.array_equal(coarse, weights)
    counts = np.tile(counts, len(parts))
    starts = np.cumsum(counts) - counts
    indices = np.arange(counts.sum()) - np.repeat(starts, counts)
    indices += np.repeat(np.tile(first, len(parts)), counts)
    return Taps(
        indices.astype(np.int32),
        starts.astype(np.int32),
        np.concatenate(parts).astype(np.float32),
        signed,
        split,
        -NEARLY_HALF if last and not exact else NEARLY_HALF,
    )


def _pil_weights(
    length: int, new_length: int, interpolation: str
) -> tuple[Ints, Ints, Values]:
    """Return first pixel, number of pixels and their weights in a row."""
    kernel, support = KERNELS[interpolation]
    scale = length / new_length
    stretch = max(scale, 1)
    reach = support * stretch
    centers = (np.arange(new_length) + 0.5) * scale
    first = np.maximum((centers - reach + 0.5).astype(int), 0)
    counts = np.minimum((centers + reach + 0.5).astype(int), length) - first
    taps = np.arange(counts.max())
    used = taps < counts[:, None]
    places = first[:, None] + taps + 0.5 - centers[:, None]
    weights = np.where(used, kernel(places / stretch), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    weights = weights[used] / UNIT**2
    weights = np.trunc(weights + np.copysign(0.5, weights))
    return first, counts, weights * UNIT**2


def _sums_by_torch(torch: Any, rows: Pixels, taps: Taps) -> Pixels:
    """Multiply by a sparse matrix, in a third of the time scipy takes."""
    sums: Pixels = torch.nn.functional.embedding_bag(
        torch.from_numpy(taps.indices),
        torch.from_numpy(rows).float(),
        torch.from_numpy(taps.starts),
        mode='sum',
        per_sample_weights=torch.from_numpy(taps.weights),
    ).numpy()
    return sums


def _sums_by_numpy(rows: Pixels, taps: Taps) -> Pixels:
    """Add tap by tap, each step rounded once: torch uses FMA."""
    counts = np.diff(taps.starts, append=len(taps.indices))
    sums = np.zeros((len(counts), rows.shape[1]), np.float32)
    for tap in range(counts.max()):
        used = counts > tap
        place = taps.starts + np.where(used, tap, 0)
        weights = (taps.weights[place] * used)[:, None].astype(np.float64)
        # Exact in float64: products have 30 bits.
        sums += weights * rows[taps.indices[place]]
    return sums


def _resize_rows(
    img: Pixels, length: int, interpolation: str, last: bool
) -> Pixels:
    """Resize the first axis of a uint8 array."""
    taps = taps_of(len(img), length, interpolation, last)
    rows = img.reshape(len(img), -1)
    torch = sys.modules.get('torch')
    sums = (
        _sums_by_torch(torch, rows, taps)
        if torch
        else _sums_by_numpy(rows, taps)
    )
    if taps.split:
        # What rounding down drops never decides about a half.
        sums = np.floor(sums[length:], out=sums[length:]) + sums[:length]
    if taps.signed:
        # convertScaleAbs clips above 255 only.
        np.maximum(sums, 0, out=sums)
    rounded = cv2.convertScaleAbs(sums, alpha=UNIT, beta=taps.shift)
    return rounded.reshape(length, *img.shape[1:])


def resample(img: Pixels, size: tuple[int, int], interpolation: str) -> Pixels:
    """Resize to a width and height as ``PIL.Image.resize`` does.

    Takes uint8 ``(H, W)`` or ``(H, W, C)``, C up to 4. The result is at most
    one grey level from PIL's; ``img`` itself if it has the size already.
    """
    width, height = size
    more = img.shape[0] != height
    if img.shape[1] != width:
        turned = cv2.transpose(as_contiguous(img))
        turned = _resize_rows(turned, width, interpolation, last=not more)
        img = cv2.transpose(turned)
    if more:
        img = _resize_rows(as_contiguous(img), height, interpolation, True)
    return img

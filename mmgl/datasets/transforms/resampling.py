"""Resizing of uint8 images by the filters of PIL, in torch and OpenCV.

Where PIL shrinks, a filter grows with the factor, so that all pixels of the
source count; OpenCV's bilinear one looks at four of them. Followed is Pillow
before version 13: columns are resized first, then rows, and both results are
rounded to uint8. (Pillow 13 takes the rows first where that is less work; the
public code needs one before 10.)
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor, from_numpy
from torch.nn import functional

from ..types import Image, Ints
from .image_ops import as_contiguous

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


class Taps(NamedTuple):
    """Which source pixels each output pixel is the weighted sum of.

    If ``split``, all output pixels come twice: with the integer parts of the
    weights, then with what is left, from 0 on and below 1.
    """

    indices: Tensor  # int32, the source pixels of all output pixels
    starts: Tensor  # int32, the first tap of each output pixel
    weights: Tensor  # float32, in units of 2 ** -11
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
        from_numpy(indices.astype(np.int32)),
        from_numpy(starts.astype(np.int32)),
        from_numpy(np.concatenate(parts).astype(np.float32)),
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


def _resize_rows(
    img: Image, length: int, interpolation: str, last: bool
) -> Image:
    """Resize the first axis of a uint8 array."""
    taps = taps_of(len(img), length, interpolation, last)
    rows = from_numpy(img.reshape(len(img), -1)).float()
    # A product with a sparse matrix, in a third of the time scipy takes.
    sums = functional.embedding_bag(
        taps.indices,
        rows,
        taps.starts,
        mode='sum',
        per_sample_weights=taps.weights,
    )
    if taps.split:
        # What rounding down drops never decides about a half.
        sums = sums[length:].floor_().add_(sums[:length])
    if taps.signed:
        sums.relu_()  # convertScaleAbs clips above 255 only
    rounded = cv2.convertScaleAbs(sums.numpy(), alpha=UNIT, beta=taps.shift)
    return rounded.reshape(length, *img.shape[1:])


def resample(img: Image, size: tuple[int, int], interpolation: str) -> Image:
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

"""Colour operations in the space in which a network sees an image."""

from collections.abc import Sequence

import numpy as np

from ..checks import check, check_choice
from ..types import Image
from .base import Transform, check_image

RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)


class ChannelTransform(Transform):
    """Compute with normalised channels on an image that is not normalised.

    CAJ's operations act behind the normalisation, where a channel copied to
    another place carries its own mean and standard deviation. Here the image
    is normalised once and later, by the data preprocessor of the model. An
    operation therefore returns the float32 image which that normalisation
    turns into the wanted one; values may leave 0-255.

    Args:
        space: 'normalized': channels ``(x - mean) / std``, as published.
            'raw': grey levels scaled to 0-1.
        mean: Mean of the data preprocessor, RGB, in grey levels.
        std: Its standard deviation, likewise.
        to_rgb: Whether images are BGR, which the data preprocessor turns
            into RGB; as its ``to_rgb``.
    """

    def __init__(
        self,
        space: str = 'normalized',
        mean: Sequence[float] = RGB_MEAN,
        std: Sequence[float] = RGB_STD,
        to_rgb: bool = True,
    ) -> None:
        self._owner = type(self).__name__
        check_choice(f'{self._owner}.space', space, ('normalized', 'raw'))
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(
                f'{self._owner} needs three numbers in mean and three positive'
                ' ones in std, as the data preprocessor has; got '
                f'mean={mean}, std={std}'
            )
        self.space = space
        self._step = -1 if to_rgb else 1
        if space == 'raw':
            mean, std = (0, 0, 0), (255, 255, 255)
        self._mean = self._in_image_order(mean)
        self._std = self._in_image_order(std)

    def _in_image_order(self, rgb: Sequence[float]) -> Image:
        """Bring three numbers given for RGB into the order of the image."""
        return np.array(rgb, dtype=np.float32)[:: self._step]

    def as_float(self, img: Image) -> Image:
        """Return a float32 copy of an image."""
        check_image(self._owner, img)
        return img.astype(np.float32)

    def colour(self, rgb: Sequence[float]) -> Image:
        """Return the grey levels ``(3, )``, in image order, of a colour."""
        levels: Image = self._in_image_order(rgb) * self._std + self._mean
        return levels

    def spread(self, img: Image, weights: Sequence[float]) -> Image:
        """Put one weighted sum of the channels R, G, B into all three."""
        in_order = self._in_image_order(weights)
        value = (self.as_float(img) - self._mean) @ (in_order / self._std)
        spread: Image = value[..., None] * self._std + self._mean
        return spread


def check_channel_probs(owner: str, probs: Sequence[float]) -> None:
    """Raise ValueError for what are no probabilities of copying R, G or B."""
    fits = len(probs) == 3 and min(probs) >= 0 and sum(probs) <= 1 + 1e-6
    rule = 'the three probabilities of R, G and B, of sum 1 at most'
    check(f'{owner}.channel_probs', probs, fits, rule)


def draw_channel(probs: Sequence[float]) -> int | None:
    """Draw R, G or B from numpy's global generator, as 0, 1 or 2.

    It is None with the probability that is missing to a sum of 1.
    """
    # Sums such as 3 * (1 / 3) may miss 1 by rounding.
    bounds = np.cumsum(probs).round(6)
    channel = int(np.searchsorted(bounds, np.random.rand(), side='right'))
    return channel if channel < 3 else None

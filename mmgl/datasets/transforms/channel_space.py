"""Colour operations in the space in which a network sees an image."""

from collections.abc import Sequence

import numpy as np

RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)
SPACES = ('normalized', 'raw')


class ChannelSpace:
    """Compute with normalised channels on an image that is not normalised.

    CAJ's operations act behind the normalisation, where a channel copied to
    another place carries its own mean and standard deviation. Here the image
    is normalised once and later, by the data preprocessor of the model. An
    operation therefore returns the float32 image which that normalisation
    turns into the wanted one; values may leave 0-255.

    Args:
        owner: Class named in messages.
        space: 'normalized': channels ``(x - mean) / std``, as published.
            'raw': grey levels scaled to 0-1.
        mean: Mean of the data preprocessor, RGB, in grey levels.
        std: Its standard deviation, likewise.
        to_rgb: Whether images are BGR, which the data preprocessor turns
            into RGB; as its ``to_rgb``.

    Raises:
        ValueError: For an unknown space, or a mean or std that does not
            have three entries.
    """

    def __init__(
        self,
        owner: str,
        space: str = 'normalized',
        mean: Sequence[float] = RGB_MEAN,
        std: Sequence[float] = RGB_STD,
        to_rgb: bool = True,
    ) -> None:
        if space not in SPACES:
            raise ValueError(
                f'{owner}.space must be one of '
                f'{", ".join(SPACES)}; got {space!r}'
            )
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(
                f'{owner} needs three entries in mean and three positive '
                f'ones in std, as the data preprocessor has; got mean={mean}, '
                f'std={std}'
            )
        self.owner = owner
        self.name = space
        self.step = -1 if to_rgb else 1
        if space == 'raw':
            mean, std = (0, 0, 0), (255, 255, 255)
        self.mean = self._in_image_order(mean)
        self.std = self._in_image_order(std)

    def _in_image_order(self, rgb: Sequence[float]) -> np.ndarray:
        """Bring three numbers given for RGB into the order of the image."""
        return np.array(rgb, dtype=np.float32)[:: self.step]

    def as_float(self, img: np.ndarray) -> np.ndarray:
        """Return a float32 copy of an image.

        Args:
            img: Image ``(H, W, 3)``, uint8 or float32, not normalised.

        Returns:
            The copy.

        Raises:
            ValueError: For another type or shape.
        """
        if (
            img.dtype not in (np.uint8, np.float32)
            or img.ndim != 3
            or (img.shape[2] != 3)
        ):
            raise ValueError(
                f'{self.owner} needs a uint8 or float32 image of shape '
                f'(H, W, 3) in grey levels, got {img.dtype} {img.shape}'
            )
        return img.astype(np.float32)

    def colour(self, rgb: Sequence[float]) -> np.ndarray:
        """Return the grey levels ``(3, )`` of a colour of this space.

        Args:
            rgb: The colour in this space, RGB.

        Returns:
            Grey levels in the order of the image.
        """
        return self._in_image_order(rgb) * self.std + self.mean

    def spread(self, img: np.ndarray, weights: Sequence[float]) -> np.ndarray:
        """Put one weighted sum of the channels into all three.

        Args:
            img: Image ``(H, W, 3)``, uint8 or float32, not normalised.
            weights: Weights of R, G and B.

        Returns:
            float32 image ``(H, W, 3)``.
        """
        weights = self._in_image_order(weights)
        value = (self.as_float(img) - self.mean) @ (weights / self.std)
        return value[..., None] * self.std + self.mean


def check_probability(owner: str, **values: float) -> None:
    """Raise ValueError for a value that is no probability.

    Args:
        owner: Class named in the message.
        **values: Values by name.
    """
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(
                f'{owner}.{name} must be from 0 to 1, got {value}'
            )


def check_channel_probs(owner: str, probs: Sequence[float]) -> None:
    """Check the probabilities of copying R, G or B.

    Args:
        owner: Class named in the message.
        probs: The probabilities.

    Raises:
        ValueError: If they are not three probabilities of sum at most 1.
    """
    if len(probs) != 3 or min(probs) < 0 or sum(probs) > 1 + 1e-6:
        raise ValueError(
            f'{owner}.channel_probs must be the three probabilities of '
            f'copying R, G and B, of sum 1 at most; got {tuple(probs)}'
        )


def draw_channel(probs: Sequence[float]) -> int | None:
    """Draw a channel from numpy's global generator.

    Args:
        probs: Probabilities of R, G and B.

    Returns:
        0, 1 or 2 for R, G, B; None with what is missing to a sum of 1.
    """
    # Sums such as 3 * (1 / 3) may miss 1 by rounding.
    bounds = np.cumsum(probs).round(6)
    channel = int(np.searchsorted(bounds, np.random.rand(), side='right'))
    return channel if channel < 3 else None

"""The colour operations of CAJ, in the space in which networks see images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmgl.registry import TRANSFORMS
from mmgl.utils.errors import ConfigError

from ..checks import check, check_choice, check_positive, check_probability
from ..types import Image, Results
from .base import Transform, check_image

RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)


class ChannelTransform(Transform):
    """Compute with normalised channels on an image that is not normalised.

    CAJ (Ye et al., ICCV 2021) acts behind the normalisation, where a channel
    copied to another place carries its own mean and deviation. Here the data
    preprocessor normalises later: an operation returns the float32 image
    which that turns into the wanted one; values may leave 0-255. Randomness
    comes from numpy's global generator.

    Required and modified key: ``img``, uint8 or float32 ``(H, W, 3)``, not
    normalised; float32 afterwards, changed or not.

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
            raise ConfigError(
                f'{self._owner} needs three numbers in mean and three '
                'positive ones in std, as the data preprocessor has; got '
                f'mean={mean}, std={std}'
            )
        self.space = space
        self._step = -1 if to_rgb else 1
        if space == 'raw':
            mean, std = (0, 0, 0), (255, 255, 255)
        self._mean = self.in_image_order(mean)
        self._std = self.in_image_order(std)

    def in_image_order(self, rgb: Sequence[float]) -> Image:
        """Bring three numbers given for RGB into the order of the image."""
        return np.array(rgb, dtype=np.float32)[:: self._step]

    def as_float(self, img: Image) -> Image:
        """Return a float32 copy of an image."""
        check_image(self._owner, img)
        return img.astype(np.float32)

    def grey_levels(self, values: Image) -> Image:
        """Turn values of the space into levels, ``(..., 3 or 1)``."""
        levels: Image = values * self._std + self._mean
        return levels

    def spread(self, img: Image, weights: Sequence[float]) -> Image:
        """Put one weighted sum of the channels R, G, B into all three."""
        scales = self.in_image_order(weights) / self._std
        value = (self.as_float(img) - self._mean) @ scales
        return self.grey_levels(value[..., None])


@TRANSFORMS.register_module()
class ChannelExchange(ChannelTransform):
    """Replace a visible image by one of its colour channels, three times.

    The channel-augmented view of CAJ; see :class:`ChannelTransform`.

    Args:
        channel_probs: Probabilities of copying R, G and B; with what is
            missing to 1 the image stays as it is.
        **kwargs: See :class:`ChannelTransform`.
    """

    def __init__(
        self,
        channel_probs: Sequence[float] = (1 / 3, 1 / 3, 1 / 3),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        fits = len(channel_probs) == 3 and min(channel_probs) >= 0
        fits = fits and sum(channel_probs) <= 1 + 1e-6
        rule = 'the three probabilities of R, G and B, of sum 1 at most'
        check(f'{self._owner}.channel_probs', channel_probs, fits, rule)
        self.channel_probs = tuple(channel_probs)

    def transform(self, results: Results) -> Results:
        """Change the colours of ``results['img']``."""
        # Sums such as 3 * (1 / 3) may miss 1 by rounding.
        bounds = np.cumsum(self.channel_probs).round(6)
        channel = int(np.searchsorted(bounds, np.random.rand(), side='right'))
        if channel < 3:
            img = self.spread(results['img'], np.eye(3)[channel])
        else:
            img = self.without_copy(results['img'])
        return results | dict(img=img)

    def without_copy(self, img: Image) -> Image:
        """Return the float32 image that no channel was copied in."""
        return self.as_float(img)


@TRANSFORMS.register_module()
class ChannelAdaptiveGray(ChannelExchange):
    """Replace an image by one channel, by its greyscale, or by neither.

    CAJ applies it to infrared images, whose three channels are equal, but in
    normalised space the copies of R, G and B differ by their means and
    deviations. Published: each channel with probability 1/4, greyscale 1/8,
    unchanged 1/8; CAJ+ has ``gray_prob=0.6``.

    Args:
        channel_probs: Probabilities of copying R, G and B.
        gray_prob: Probability of greyscale where no channel is copied.
        gray_weights: Weights of R, G and B in the greyscale.
        **kwargs: See :class:`ChannelTransform`.
    """

    def __init__(
        self,
        channel_probs: Sequence[float] = (0.25, 0.25, 0.25),
        gray_prob: float = 0.5,
        gray_weights: Sequence[float] = (0.2989, 0.587, 0.114),
        **kwargs: Any,
    ) -> None:
        super().__init__(channel_probs, **kwargs)
        check_probability(self._owner, gray_prob=gray_prob)
        key, fits = f'{self._owner}.gray_weights', len(gray_weights) == 3
        check(key, gray_weights, fits, 'three numbers')
        self.gray_prob = gray_prob
        self.gray_weights = tuple(gray_weights)

    def without_copy(self, img: Image) -> Image:
        """Return the greyscale or the image itself, float32."""
        if np.random.rand() < self.gray_prob:
            return self.spread(img, self.gray_weights)
        return self.as_float(img)


@TRANSFORMS.register_module()
class ChannelRandomErasing(ChannelTransform):
    """Fill a random rectangle with a constant per channel.

    The channel-level random erasing of CAJ. It differs from
    ``mmpretrain.RandomErasing`` in the aspect ratio, which is uniform and not
    log-uniform, in drawing again when a rectangle does not fit, instead of
    cutting it, and in the fill: the published code writes the mean colour of
    CIFAR-10 into the *normalised* image, where it is a light grey.

    Args:
        prob: Probability of erasing.
        area_range: Smallest and largest share of the image, uniform.
        aspect_range: Smallest and largest height over width, uniform.
        max_tries: Rectangles drawn until one is smaller than the image in
            both directions; if none is, the image stays as it is.
        fill: Constants of R, G and B, in units of ``space``: a share of 255
            in 'raw'.
        **kwargs: See :class:`ChannelTransform`.
    """

    def __init__(
        self,
        prob: float = 0.5,
        area_range: Sequence[float] = (0.02, 0.4),
        aspect_range: Sequence[float] = (0.3, 1 / 0.3),
        max_tries: int = 100,
        fill: Sequence[float] = (0.4914, 0.4822, 0.4465),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_probability(self._owner, prob=prob)
        check_positive(self._owner, max_tries=max_tries)
        for key, pair, limit in (
            ('area_range', area_range, 1),
            ('aspect_range', aspect_range, np.inf),
        ):
            fits = len(pair) == 2 and 0 < pair[0] <= pair[1] <= limit
            rule = f'two numbers above 0, the smaller first, up to {limit}'
            check(f'{self._owner}.{key}', pair, fits, rule)
        check(f'{self._owner}.fill', fill, len(fill) == 3, 'three numbers')
        self.prob = prob
        self.area_range = area_range[0], area_range[1]
        self.aspect_range = aspect_range[0], aspect_range[1]
        self.max_tries = max_tries
        self._levels = self.grey_levels(self.in_image_order(fill))

    def draw_rectangle(
        self, height: int, width: int
    ) -> tuple[slice, slice] | None:
        """Draw rows and columns to erase; None if no try gave what fits."""
        for _ in range(self.max_tries):
            area = np.random.uniform(*self.area_range) * height * width
            aspect = np.random.uniform(*self.aspect_range)
            rows = round(np.sqrt(area * aspect))
            columns = round(np.sqrt(area / aspect))
            if rows < height and columns < width:
                top = np.random.randint(height - rows + 1)
                left = np.random.randint(width - columns + 1)
                return slice(top, top + rows), slice(left, left + columns)
        return None

    def transform(self, results: Results) -> Results:
        """Erase a rectangle of ``results['img']``."""
        img = self.as_float(results['img'])
        if np.random.rand() < self.prob:
            rectangle = self.draw_rectangle(*img.shape[:2])
            if rectangle is not None:
                img[rectangle] = self._levels
        return results | dict(img=img)

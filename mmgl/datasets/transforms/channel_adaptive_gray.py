"""Channel copy or greyscale for infrared images."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from .channel_space import (
    RGB_MEAN,
    RGB_STD,
    ChannelSpace,
    check_channel_probs,
    check_probability,
    draw_channel,
)


@TRANSFORMS.register_module()
class ChannelAdaptiveGray(BaseTransform):
    """Replace an image by one channel, by its greyscale, or by neither.

    CAJ (Ye et al., ICCV 2021) applies it to infrared images. Their three
    channels are equal, but in normalised space, where it acts, the copies of
    R, G and B differ by their means and deviations. Published: each channel
    with probability 1/4, greyscale 1/8, unchanged 1/8; CAJ+ has
    ``gray_prob=0.6``. Randomness comes from numpy's global generator.

    Required and modified key: ``img``, uint8 or float32 ``(H, W, 3)``, not
    normalised; float32 afterwards.

    Args:
        channel_probs: Probabilities of copying R, G and B.
        gray_prob: Probability of greyscale where no channel is copied.
        gray_weights: Weights of R, G and B in the greyscale.
        space: 'normalized' (as published) or 'raw'; see
            :class:`~.channel_space.ChannelSpace`.
        mean: Mean of the data preprocessor, RGB, in grey levels.
        std: Its standard deviation, likewise.
        to_rgb: Whether images are BGR; as in the data preprocessor.

    Raises:
        ValueError: For an argument or an image out of range.
    """

    def __init__(
        self,
        channel_probs: Sequence[float] = (0.25, 0.25, 0.25),
        gray_prob: float = 0.5,
        gray_weights: Sequence[float] = (0.2989, 0.587, 0.114),
        space: str = 'normalized',
        mean: Sequence[float] = RGB_MEAN,
        std: Sequence[float] = RGB_STD,
        to_rgb: bool = True,
    ) -> None:
        name = type(self).__name__
        check_channel_probs(name, channel_probs)
        check_probability(name, gray_prob=gray_prob)
        if len(gray_weights) != 3:
            raise ValueError(
                f'{name}.gray_weights must have three entries, '
                f'got {gray_weights}'
            )
        self.channel_probs = tuple(channel_probs)
        self.gray_prob = gray_prob
        self.gray_weights = tuple(gray_weights)
        self.space = ChannelSpace(name, space, mean, std, to_rgb)

    def transform(self, results: dict) -> dict:
        """Change the colours of ``results['img']``."""
        channel = draw_channel(self.channel_probs)
        if channel is not None:
            weights = np.eye(3)[channel]
        elif np.random.rand() < self.gray_prob:
            weights = self.gray_weights
        else:
            results['img'] = self.space.as_float(results['img'])
            return results
        results['img'] = self.space.spread(results['img'], weights)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(channel_probs={self.channel_probs}, '
            f'gray_prob={self.gray_prob}, space={self.space.name!r})'
        )

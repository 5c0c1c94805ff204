"""Channel copy or greyscale for infrared images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmgl.registry import TRANSFORMS

from ..checks import check, check_probability
from ..types import Results
from .channel_transform import (
    ChannelTransform,
    check_channel_probs,
    draw_channel,
)


@TRANSFORMS.register_module()
class ChannelAdaptiveGray(ChannelTransform):
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
        **kwargs: See :class:`ChannelTransform`.
    """

    def __init__(
        self,
        channel_probs: Sequence[float] = (0.25, 0.25, 0.25),
        gray_prob: float = 0.5,
        gray_weights: Sequence[float] = (0.2989, 0.587, 0.114),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_channel_probs(self._owner, channel_probs)
        check_probability(self._owner, gray_prob=gray_prob)
        fits = len(gray_weights) == 3
        key = f'{self._owner}.gray_weights'
        check(key, gray_weights, fits, 'three numbers')
        self.channel_probs = tuple(channel_probs)
        self.gray_prob = gray_prob
        self.gray_weights = tuple(gray_weights)

    def transform(self, results: Results) -> Results:
        """Change the colours of ``results['img']``."""
        channel = draw_channel(self.channel_probs)
        if channel is not None:
            weights = tuple(float(channel == c) for c in range(3))
        elif np.random.rand() < self.gray_prob:
            weights = self.gray_weights
        else:
            results['img'] = self.as_float(results['img'])
            return results
        results['img'] = self.spread(results['img'], weights)
        return results

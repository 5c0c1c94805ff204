"""Channel exchange for visible images."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from .channel_space import (
    RGB_MEAN,
    RGB_STD,
    ChannelSpace,
    check_channel_probs,
    draw_channel,
)


@TRANSFORMS.register_module()
class ChannelExchange(BaseTransform):
    """Replace a visible image by one of its colour channels, three times.

    The channel-augmented view of CAJ (Ye et al., ICCV 2021). As in the
    published code it acts in normalised space: the copied channel carries
    its own mean and deviation. Randomness comes from numpy's global
    generator.

    Required and modified key: ``img``, uint8 or float32 ``(H, W, 3)``, not
    normalised; float32 afterwards.

    Args:
        channel_probs: Probabilities of copying R, G and B; with what is
            missing to 1 the image stays as it is.
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
        channel_probs: Sequence[float] = (1 / 3, 1 / 3, 1 / 3),
        space: str = 'normalized',
        mean: Sequence[float] = RGB_MEAN,
        std: Sequence[float] = RGB_STD,
        to_rgb: bool = True,
    ) -> None:
        name = type(self).__name__
        check_channel_probs(name, channel_probs)
        self.channel_probs = tuple(channel_probs)
        self.space = ChannelSpace(name, space, mean, std, to_rgb)

    def transform(self, results: dict) -> dict:
        """Exchange the channels of ``results['img']``."""
        channel = draw_channel(self.channel_probs)
        if channel is None:
            results['img'] = self.space.as_float(results['img'])
        else:
            results['img'] = self.space.spread(
                results['img'], np.eye(3)[channel]
            )
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(channel_probs={self.channel_probs}, '
            f'space={self.space.name!r})'
        )

"""Channel exchange for visible images."""

from collections.abc import Sequence
from typing import Any

from mmgl.registry import TRANSFORMS

from ..types import Results
from .channel_transform import (
    ChannelTransform,
    check_channel_probs,
    draw_channel,
)


@TRANSFORMS.register_module()
class ChannelExchange(ChannelTransform):
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
        **kwargs: See :class:`ChannelTransform`.
    """

    def __init__(
        self,
        channel_probs: Sequence[float] = (1 / 3, 1 / 3, 1 / 3),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_channel_probs(self._owner, channel_probs)
        self.channel_probs = tuple(channel_probs)

    def transform(self, results: Results) -> Results:
        """Exchange the channels of ``results['img']``."""
        channel = draw_channel(self.channel_probs)
        if channel is None:
            results['img'] = self.as_float(results['img'])
        else:
            weights = [float(channel == c) for c in range(3)]
            results['img'] = self.spread(results['img'], weights)
        return results

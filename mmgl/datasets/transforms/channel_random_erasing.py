"""Random erasing with one constant per channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmgl.registry import TRANSFORMS

from ..checks import check, check_positive, check_probability
from ..types import Results
from .channel_transform import ChannelTransform


@TRANSFORMS.register_module()
class ChannelRandomErasing(ChannelTransform):
    """Fill a random rectangle with a constant per channel.

    The channel-level random erasing of CAJ (Ye et al., ICCV 2021). It
    differs from ``mmpretrain.RandomErasing`` in the aspect ratio, which is
    uniform and not log-uniform, in drawing again when a rectangle does not
    fit, instead of cutting it, and in the fill: the published code writes
    the mean colour of CIFAR-10 into the *normalised* image, where it is a
    light grey. Randomness comes from numpy's global generator.

    Required and modified key: ``img``, uint8 or float32 ``(H, W, 3)``, not
    normalised; float32 afterwards, erased or not.

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
        self._levels = self.colour(fill)

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
        results['img'] = img
        return results

"""Random erasing with one constant per channel."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from .channel_space import RGB_MEAN, RGB_STD, ChannelSpace, check_probability


@TRANSFORMS.register_module()
class ChannelRandomErasing(BaseTransform):
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
        fill: Constants of R, G and B, in units of ``space``.
        space: 'normalized' (as published) or 'raw', where ``fill`` is a
            share of 255; see :class:`~.channel_space.ChannelSpace`.
        mean: Mean of the data preprocessor, RGB, in grey levels.
        std: Its standard deviation, likewise.
        to_rgb: Whether images are BGR; as in the data preprocessor.

    Raises:
        ValueError: For an argument or an image out of range.
    """

    def __init__(
        self,
        prob: float = 0.5,
        area_range: Sequence[float] = (0.02, 0.4),
        aspect_range: Sequence[float] = (0.3, 1 / 0.3),
        max_tries: int = 100,
        fill: Sequence[float] = (0.4914, 0.4822, 0.4465),
        space: str = 'normalized',
        mean: Sequence[float] = RGB_MEAN,
        std: Sequence[float] = RGB_STD,
        to_rgb: bool = True,
    ) -> None:
        name = type(self).__name__
        check_probability(name, prob=prob)
        for key, pair in (
            ('area_range', area_range),
            ('aspect_range', aspect_range),
        ):
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                raise ValueError(
                    f'{name}.{key} must be two numbers above 0, '
                    f'the smaller first; got {tuple(pair)}'
                )
        if area_range[1] > 1 or len(fill) != 3 or max_tries < 1:
            raise ValueError(
                f'{name} needs shares up to 1 in area_range, three entries '
                f'in fill and max_tries above 0; got {tuple(area_range)}, '
                f'{tuple(fill)} and {max_tries}'
            )
        self.prob = prob
        self.area_range = tuple(area_range)
        self.aspect_range = tuple(aspect_range)
        self.max_tries = max_tries
        self.space = ChannelSpace(name, space, mean, std, to_rgb)
        self.colour = self.space.colour(fill)

    def draw_rectangle(
        self, height: int, width: int
    ) -> tuple[slice, slice] | None:
        """Draw the rectangle to erase.

        Args:
            height: Height of the image, in pixels.
            width: Its width.

        Returns:
            Rows and columns, or None if no try gave one that fits.
        """
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

    def transform(self, results: dict) -> dict:
        """Erase a rectangle of ``results['img']``."""
        img = self.space.as_float(results['img'])
        if np.random.rand() < self.prob:
            rectangle = self.draw_rectangle(*img.shape[:2])
            if rectangle is not None:
                img[rectangle] = self.colour
        results['img'] = img
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, '
            f'area_range={self.area_range}, '
            f'aspect_range={self.aspect_range}, '
            f'space={self.space.name!r})'
        )

"""Resizing by the filters that the public code uses."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS

from .resampling import KERNELS, resample


@TRANSFORMS.register_module()
class PILResize(BaseTransform):
    """Resize an image as ``PIL.Image.resize`` does, in less time.

    Differs from mmcv's ``Resize`` where an image shrinks: its filter covers
    all pixels of the source, where OpenCV's skips some. Pixels are at most
    one grey level from PIL's, see :mod:`.resampling`.

    Required key: ``img``, uint8 ``(H, W)`` or ``(H, W, C)``. Changed or
    added, as by ``Resize``: ``img``, ``img_shape``, ``scale``,
    ``scale_factor`` (of width and height) and ``keep_ratio``.

    Args:
        scale: New width and height.
        interpolation: 'lanczos', 'bilinear' or 'bicubic'.

    Raises:
        ValueError: For another scale or interpolation, or an image of
            another type.
    """

    def __init__(self, scale: Sequence[int], interpolation: str) -> None:
        if interpolation not in KERNELS:
            raise ValueError(
                f'PILResize.interpolation must be one of {", ".join(KERNELS)}'
                f'; got {interpolation!r}'
            )
        if (
            not isinstance(scale, Sequence)
            or len(scale) != 2
            or not all(isinstance(n, int) and n > 0 for n in scale)
        ):
            raise ValueError(
                'PILResize.scale must be the new width and '
                f'height in pixels; got {scale!r}'
            )
        self.scale = tuple(scale)
        self.interpolation = interpolation

    def transform(self, results: dict) -> dict:
        """Resize ``results['img']``."""
        img = results['img']
        if img.dtype != np.uint8:
            raise ValueError(
                f'PILResize needs a uint8 image, got {img.dtype}; put it '
                'before the transforms that return float32'
            )
        resized = resample(img, self.scale, self.interpolation)
        (old_height, old_width), (width, height) = img.shape[:2], self.scale
        results.update(
            img=resized,
            img_shape=(height, width),
            scale=self.scale,
            scale_factor=(width / old_width, height / old_height),
            keep_ratio=False,
        )
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, '
            f'interpolation={self.interpolation!r})'
        )

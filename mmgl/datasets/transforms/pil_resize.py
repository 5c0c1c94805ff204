"""Resizing by the filters that the public code uses."""

from collections.abc import Sequence

import numpy as np

from mmgl.registry import TRANSFORMS

from ..checks import check, check_choice
from ..types import Results
from .base import Transform, resized
from .resampling import KERNELS, resample


@TRANSFORMS.register_module()
class PILResize(Transform):
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
    """

    def __init__(self, scale: Sequence[int], interpolation: str) -> None:
        check_choice('PILResize.interpolation', interpolation, KERNELS)
        fits = isinstance(scale, Sequence) and len(scale) == 2
        fits = fits and all(isinstance(n, int) and n > 0 for n in scale)
        rule = 'the new width and height in pixels'
        check('PILResize.scale', scale, fits, rule)
        self.scale = scale[0], scale[1]
        self.interpolation = interpolation

    def transform(self, results: Results) -> Results:
        """Resize ``results['img']``."""
        img = results['img']
        if img.dtype != np.uint8:
            raise ValueError(
                f'PILResize needs a uint8 image, got {img.dtype}; put it '
                'before the transforms that return float32'
            )
        new = resample(img, self.scale, self.interpolation)
        results.update(resized(new, img.shape))
        return results

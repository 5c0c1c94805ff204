"""Reading, decoding and resizing images."""

from collections.abc import Sequence

import numpy as np

from mmgl.registry import TRANSFORMS
from mmgl.utils.errors import ConfigError
from mmgl.utils.images import decode_image, read_file
from mmgl.utils.resampling import KERNELS, resample

from ..checks import check, check_choice
from ..packed import PackedImages
from ..types import Image, Results
from .base import Transform


@TRANSFORMS.register_module()
class LoadImageFromFile(Transform):
    """Read an image file, by the rules of :mod:`mmgl.utils.images`.

    Takes the place of mmcv's, which trusts files, under its name.

    Required key: ``img_path``. Added: ``img``, uint8 ``(H, W, 3)`` BGR,
    ``img_shape`` and ``ori_shape``.

    Args:
        color_type: 'color' or 'grayscale', which is ``(H, W)``.
        window: Two percentiles of the levels of an image of 16 bits that
            become 0 and 255, such as (1, 99); without them such an image is
            an error. Others stay as they are.
    """

    def __init__(
        self, color_type: str = 'color', window: Sequence[float] | None = None
    ) -> None:
        owner = type(self).__name__
        choices = 'color', 'grayscale'
        check_choice(f'{owner}.color_type', color_type, choices)
        rule = 'two percentiles from 0 to 100, the smaller first'
        fits = window is None or (
            len(window) == 2 and 0 <= window[0] < window[1] <= 100
        )
        check(f'{owner}.window', window, fits, rule)
        self.color_type = color_type
        self.window = None if window is None else tuple(map(float, window))

    def transform(self, results: Results) -> Results:
        """Read and decode ``results['img_path']``."""
        path = results['img_path']
        return results | self._decoded(read_file(path), path)

    def _decoded(self, data: bytes, name: str) -> Results:
        """Decode an image and return the keys to add."""
        grey = self.color_type == 'grayscale'
        img = decode_image(data, name, self.window, grey)
        shape = img.shape[:2]
        return dict(img=img, img_shape=shape, ori_shape=shape)


@TRANSFORMS.register_module()
class LoadImageFromBytes(LoadImageFromFile):
    """Decode an image as ``LoadImageFromFile`` does, without a file.

    The first step of pipelines of :class:`~mmgl.datasets.StreamedPairs`.
    Required keys: ``img_bytes``, removed, and ``shard_path``, named in
    errors.
    """

    def transform(self, results: Results) -> Results:
        """Decode ``results['img_bytes']``."""
        data = results.pop('img_bytes')
        return results | self._decoded(data, results.get('shard_path', ''))


@TRANSFORMS.register_module()
class LoadPackedImage(Transform):
    """Read an image as the loading steps of a pipeline left it.

    A data set puts it in place of ``LoadImageFromFile`` and ``PILResize`` if
    it has ``packed``, and sets the required keys ``packed_row`` and
    ``ori_shape``. Added: ``img``, uint8 ``(H, W, 3)`` BGR, and the keys that
    the replaced steps set.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._images = PackedImages(folder)

    def transform(self, results: Results) -> Results:
        """Set ``results['img']``."""
        img = self._images[results['packed_row']]
        return results | _resized(img, results['ori_shape'])


@TRANSFORMS.register_module()
class PILResize(Transform):
    """Resize an image as ``PIL.Image.resize`` does, in less time.

    Differs from mmcv's ``Resize`` where an image shrinks: its filter covers
    all pixels of the source, where OpenCV's skips some. Pixels are at most
    one grey level from PIL's, see
    :mod:`mmgl.utils.resampling`.

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
            raise ConfigError(
                f'PILResize needs a uint8 image, got {img.dtype}; put it '
                'before the transforms that return float32'
            )
        new = resample(img, self.scale, self.interpolation)
        return results | _resized(new, img.shape)


def _resized(img: Image, old_shape: Sequence[int]) -> Results:
    """Return the keys that mmcv's ``Resize`` sets."""
    height, width = img.shape[:2]
    return dict(
        img=img,
        img_shape=(height, width),
        scale=(width, height),
        scale_factor=(width / old_shape[1], height / old_shape[0]),
        keep_ratio=False,
    )

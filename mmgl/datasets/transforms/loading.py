"""Reading, decoding and resizing images."""

from collections.abc import Sequence

import mmcv
import numpy as np

from mmgl.registry import TRANSFORMS

from ..checks import check, check_choice
from ..packed import PackedImages
from ..types import Image, Results
from .base import Transform
from .resampling import KERNELS, resample


@TRANSFORMS.register_module()
class LoadImageFromBytes(Transform):
    """Decode an image as ``LoadImageFromFile`` does, without a file.

    The first step of pipelines of :class:`~mmgl.datasets.StreamedPairs`. The
    arguments are those of ``mmcv.imfrombytes``.

    Required keys: ``img_bytes``, removed, and ``shard_path``, named in
    errors. Added: ``img``, uint8 ``(H, W, 3)`` BGR, ``img_shape`` and
    ``ori_shape``.
    """

    def __init__(
        self, color_type: str = 'color', imdecode_backend: str = 'cv2'
    ) -> None:
        self.color_type = color_type
        self.imdecode_backend = imdecode_backend

    def transform(self, results: Results) -> Results:
        """Decode ``results['img_bytes']``."""
        data = results.pop('img_bytes')
        # OpenCV raises for no bytes at all and returns None for wrong ones.
        img = data and mmcv.imfrombytes(
            data, flag=self.color_type, backend=self.imdecode_backend
        )
        if not isinstance(img, np.ndarray):
            raise ValueError(
                f'image {results.get("shard_path")!r} cannot be decoded; '
                'write the shard that holds it again.'
            )
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results


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

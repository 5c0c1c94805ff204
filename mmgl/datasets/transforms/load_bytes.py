"""Decoding an image that came as bytes."""

import mmcv
import numpy as np

from mmgl.registry import TRANSFORMS

from ..types import Results
from .base import Transform


@TRANSFORMS.register_module()
class LoadImageFromBytes(Transform):
    """Decode an image as ``LoadImageFromFile`` does, without a file.

    Takes its place at the beginning of a pipeline for
    :class:`~mmgl.datasets.StreamedPairs`. The arguments are those of
    ``mmcv.imfrombytes``.

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

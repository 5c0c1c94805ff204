"""Decoding an image that came as bytes."""

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImageFromBytes(BaseTransform):
    """Decode an image as ``LoadImageFromFile`` does, without a file.

    Takes its place at the beginning of a pipeline for
    :class:`~mmgl.datasets.StreamedPairs`.

    Required keys: ``img_bytes``, removed, and ``shard_path``, named in
    errors. Added: ``img``, uint8
    ``(H, W, 3)`` BGR, ``img_shape`` and ``ori_shape``.

    Args:
        color_type: See ``mmcv.imfrombytes``.
        imdecode_backend: See ``mmcv.imfrombytes``.

    Raises:
        ValueError: If the bytes are no image.
    """

    def __init__(
        self, color_type: str = 'color', imdecode_backend: str = 'cv2'
    ) -> None:
        self.color_type = color_type
        self.imdecode_backend = imdecode_backend

    def transform(self, results: dict) -> dict:
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

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(color_type={self.color_type!r}, '
            f'imdecode_backend={self.imdecode_backend!r})'
        )

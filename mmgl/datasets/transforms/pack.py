"""The last transform: array and annotations to model input."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS
from mmgl.structures import ReIDDataSample

ANNOTATIONS = ('pid', 'modality', 'camid', 'index')


@TRANSFORMS.register_module()
class PackReIDInputs(BaseTransform):
    """Pack an image and its annotations for the model.

    Required keys: ``img`` (uint8 ``(H, W, 3)``), ``pid``, ``modality``,
    ``camid``, ``index``, ``img_path``. Optional: ``permutation``, ``draw``.
    Returns ``inputs``, a contiguous uint8 tensor of shape ``(3, H, W)``,
    and ``data_samples``, a :class:`ReIDDataSample`.

    Args:
        meta_keys: Further keys of the results kept as meta information; a
            missing one is an error.

    Raises:
        ValueError: If the image is not uint8 with three channels.
        KeyError: If one of ``meta_keys`` is missing.
    """

    def __init__(self, meta_keys: Sequence[str] = ()) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Return inputs and data sample of one image."""
        img = results['img']
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                'PackReIDInputs needs a uint8 image of shape (H, W, 3), got '
                f'{img.dtype} {img.shape}; normalisation belongs to the '
                'data preprocessor of the model.')
        draw = results.get('draw')
        metainfo = dict(
            img_path=results['img_path'],
            pair_key=None if draw is None else draw.pair)
        for key in self.meta_keys:
            if key not in results:
                raise KeyError(
                    f'PackReIDInputs: meta_keys names {key!r}, which no '
                    f'transform has set; there are {sorted(results)}')
            metainfo[key] = results[key]
        sample = ReIDDataSample(
            metainfo=metainfo, **{k: results[k]
                                  for k in ANNOTATIONS})
        if 'permutation' in results:
            sample.permutation = torch.from_numpy(results['permutation'])
        inputs = torch.from_numpy(
            np.ascontiguousarray(img.transpose(2, 0, 1)))
        return dict(inputs=inputs, data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'

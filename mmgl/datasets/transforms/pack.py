"""The last transform: array and annotations to model input."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmgl.registry import TRANSFORMS
from mmgl.structures import ReIDDataSample

ANNOTATIONS = ('pid', 'modality', 'camid', 'index')


def _tensor(img: np.ndarray) -> torch.Tensor:
    """Check an image ``(H, W, 3)`` and return it as ``(3, H, W)``."""
    if img.dtype not in (np.uint8, np.float32) or img.ndim != 3 or (
            img.shape[2] != 3):
        raise ValueError(
            'PackReIDInputs needs an image of shape (H, W, 3) in grey levels, '
            f'uint8 or float32; got {img.dtype} {img.shape}.')
    return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


@TRANSFORMS.register_module()
class PackReIDInputs(BaseTransform):
    """Pack an image, or several views of one, and its annotations.

    Required keys: ``img`` (``(H, W, 3)`` in grey levels, uint8 or float32,
    or a list of such arrays of one size), ``pid``, ``modality``, ``camid``,
    ``index``, ``img_path``. Optional: ``permutation``, ``draw``.
    Returns ``inputs``, a contiguous tensor of shape ``(3, H, W)``, or
    ``(views, 3, H, W)`` for a list, of the type of the image (float32 if
    views differ), and ``data_samples``, a :class:`ReIDDataSample`. Views
    are stacked and not listed because the collate function of mmengine
    refuses lists of different lengths in one batch.

    Args:
        meta_keys: Further keys of the results kept as meta information; a
            missing one is an error.

    Raises:
        ValueError: If an image has another type or shape or is normalised
            already, or if views differ in size.
        KeyError: If one of ``meta_keys`` is missing.
    """

    def __init__(self, meta_keys: Sequence[str] = ()) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Return inputs and data sample of one image."""
        if 'img_norm_cfg' in results:
            raise ValueError(
                'PackReIDInputs got a normalised image; remove Normalize from '
                'the pipeline: normalisation belongs to the data preprocessor '
                'of the model.')
        img = results['img']
        inputs = self._stack(img) if isinstance(img, list) else _tensor(img)
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
        return dict(inputs=inputs, data_samples=sample)

    @staticmethod
    def _stack(views: list[np.ndarray]) -> torch.Tensor:
        """Make one tensor of the views of an image."""
        shapes = sorted({view.shape for view in views})
        if len(shapes) != 1:
            raise ValueError(
                'PackReIDInputs: the views of an image must have the same '
                f'size, got {shapes or "none"}; crop them alike.')
        return torch.stack([_tensor(view) for view in views])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'

"""The last transform: array and annotations to model input."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from mmgl.registry import TRANSFORMS
from mmgl.structures import ReIDDataSample
from mmgl.utils.errors import ConfigError
from mmgl.utils.images import as_contiguous

from ..types import Image, Results
from .base import Transform, check_image

ANNOTATIONS = ('pid', 'modality', 'camid', 'index')


def _tensor(img: Image) -> Tensor:
    """Check an image ``(H, W, 3)`` and return it as ``(3, H, W)``."""
    check_image('PackReIDInputs', img)
    # A third of the time of a transposed copy.
    planes = np.empty((3, *img.shape[:2]), img.dtype)
    cv2.split(as_contiguous(img), list(planes))
    return torch.from_numpy(planes)


def _pack_views(views: Sequence[Image]) -> Tensor | list[Tensor]:
    """Stack the views of an image if they have one size, or list them."""
    if not views:
        raise ConfigError('PackReIDInputs: the list of views is empty')
    tensors = [_tensor(view) for view in views]
    # mmengine collates no lists of different lengths in one batch.
    sizes = {view.shape for view in tensors}
    return torch.stack(tensors) if len(sizes) == 1 else tensors


@TRANSFORMS.register_module()
class PackReIDInputs(Transform):
    """Pack an image, or several views of one, and its annotations.

    Required keys: ``img`` (``(H, W, 3)`` in grey levels, uint8 or float32,
    or a list of such arrays), ``pid``, ``modality``, ``camid``, ``index``,
    ``img_path``. Optional: ``permutation``, ``draw``. Returns
    ``data_samples``, a :class:`ReIDDataSample`, and ``inputs``, a tensor
    ``(3, H, W)``, or ``(views, 3, H, W)`` for a list, of the type of the
    image (float32 if views differ). Views of several sizes stay a list; all
    images of a batch must then have as many, and models need
    ``ModalityChannelPreprocessor``.

    Args:
        meta_keys: Further keys of the results kept as meta information; a
            missing one is a KeyError.
    """

    def __init__(self, meta_keys: Sequence[str] = ()) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: Results) -> Results:
        """Return inputs and data sample of one image."""
        if 'img_norm_cfg' in results:
            raise ConfigError(
                'PackReIDInputs got a normalised image; remove Normalize from '
                'the pipeline: normalisation belongs to the data preprocessor '
                'of the model.'
            )
        img = results['img']
        inputs = _pack_views(img) if isinstance(img, list) else _tensor(img)
        draw = results.get('draw')
        pair = None if draw is None else draw.pair
        metainfo = dict(img_path=results['img_path'], pair_key=pair)
        for key in self.meta_keys:
            if key not in results:
                raise KeyError(
                    f'PackReIDInputs: meta_keys names {key!r}, which no '
                    f'transform has set; there are {sorted(results)}'
                )
            metainfo[key] = results[key]
        sample = ReIDDataSample(
            metainfo=metainfo, **{k: results[k] for k in ANNOTATIONS}
        )
        if 'permutation' in results:
            # Not a tensor, which a worker hands over a hundred times slower.
            sample.permutation = results['permutation']
        return dict(inputs=inputs, data_samples=sample)

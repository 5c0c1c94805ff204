"""The data that travel with one image through data set, model and metric."""

from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement

from .modality import MODALITY_NAMES

INT_FIELDS = ('pid', 'modality', 'camid', 'index')
TENSOR_DIMS = {'feature': 1, 'permutation': 1, 'permutation_logits': 2}


class ReIDDataSample(BaseDataElement):  # type: ignore[misc]
    """Annotations and predictions of one person image.

    The fields below are checked when they are set; others may be added.

    Data fields:
        pid (int): Contiguous label in training splits, person number of the
            data set in test splits.
        modality (int): 0 visible, 1 infrared.
        camid (int): Camera number, from 1.
        index (int): Number of the image inside (pid, camid), from 1.
        feature (Tensor): Test feature of shape ``(D,)``.
        permutation (LongTensor or int64 array): ``(N,)``; place ``i`` of the
            shuffled image shows stripe ``permutation[i]`` of the original,
            from 0.
        permutation_logits (Tensor): ``(N, N)`` noise-free scores of "place i
            shows stripe j".

    Meta fields: ``img_path`` and ``pair_key`` (number of the cross-modal
    pair the image was drawn for, or None).
    """

    def set_field(
        self,
        value: Any,
        name: str,
        dtype: Any = None,
        field_type: str = 'data',
    ) -> None:
        """Set one field after checking it.

        Here and not in properties, so that ``'pid' in sample`` works.
        """
        if name in INT_FIELDS:
            value = _as_int(name, value)
        elif name in TENSOR_DIMS:
            _check_tensor(name, value)
        super().set_field(value, name, dtype=dtype, field_type=field_type)


def _as_int(name: str, value: Any) -> int:
    """Return a python int, refusing everything that is not a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(
            f'ReIDDataSample.{name} must be an int, got '
            f'{value!r} of type {type(value).__name__}'
        )
    if name == 'modality' and value not in range(len(MODALITY_NAMES)):
        raise ValueError(
            'ReIDDataSample.modality must be 0 (visible) or 1 '
            f'(infrared), got {value}'
        )
    return int(value)


def _check_tensor(name: str, value: Any) -> None:
    """Refuse a value that is no array or has the wrong shape or type."""
    # numpy arrays are let in because BaseDataElement.numpy() sets them.
    if not isinstance(value, torch.Tensor | np.ndarray):
        raise TypeError(
            f'ReIDDataSample.{name} must be a tensor, got '
            f'{type(value).__name__}'
        )
    if value.ndim != TENSOR_DIMS[name]:
        raise ValueError(
            f'ReIDDataSample.{name} must have {TENSOR_DIMS[name]} '
            f'dimension(s), got shape {tuple(value.shape)}'
        )
    if name == 'permutation' and value.dtype not in (torch.int64, np.int64):
        raise TypeError(
            'ReIDDataSample.permutation must be of type int64, '
            f'got {value.dtype}'
        )

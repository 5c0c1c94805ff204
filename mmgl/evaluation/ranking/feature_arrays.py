"""Feature matrices from numpy or torch, on the host or an accelerator."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # numpy is enough where no features are on a device
    from torch import Tensor

NORM_FLOOR = 1e-12

Array: TypeAlias = npt.NDArray[Any]
Values: TypeAlias = 'npt.ArrayLike | Tensor'


def to_numpy(values: Values) -> Array:
    """Turn an array-like or a tensor into an array; it may share memory."""
    if not hasattr(values, 'detach'):
        return np.asarray(values)
    values = values.detach().cpu()
    if values.is_floating_point() and values.element_size() < 4:
        values = values.float()  # numpy has no bfloat16
    return np.asarray(values.numpy())


def is_on_accelerator(values: Values) -> bool:
    """Tell whether values are a tensor that is not on the host."""
    device = getattr(values, 'device', 'cpu')
    return bool(getattr(device, 'type', 'cpu') != 'cpu')


def check_where_it_is(
    features: Values,
    name: str = 'features',
    images: Callable[[int], str] = str,
) -> 'Array | Tensor':
    """Check a feature matrix, which stays on the accelerator if it is there.

    It comes back as float32 (for float32 and half precision; on an
    accelerator for all but float64) or float64, (n, d); the input is never
    changed. ``name``, and ``images`` of a row, are for messages.

    Raises:
        TypeError: If the values are not real numbers.
        ValueError: If it is not a matrix, is empty, or has NaN or Inf.
    """
    array: Any
    if is_on_accelerator(features):
        array = features.detach()  # type: ignore[union-attr]
        double = array.is_floating_point() and array.element_size() == 8
        array = array if double else array.float()
    else:
        array = to_numpy(features)
        if array.dtype.kind not in 'fiub':
            raise TypeError(
                f'{name} has dtype {array.dtype}; give real numbers, (n, d).'
            )
        narrow = array.dtype in (np.float16, np.float32)
        array = array.astype(np.float32 if narrow else np.float64, copy=False)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f'{name} has shape {tuple(array.shape)}; give one row an image, '
            '(n, d), with at least one row and one column.'
        )
    bad = _bad_rows(array)
    if bad.size:
        called = ', '.join(map(images, bad[:10].tolist()))
        more = ', ...' if bad.size > 10 else ''
        raise ValueError(
            f'{name} has NaN or Inf in {bad.size} of {len(array)} rows '
            f'(rows {called}{more}, counted from 0). Check that training did '
            'not diverge and extract the features again.'
        )
    return array  # type: ignore[no-any-return]


def check_features(
    features: Values,
    name: str = 'features',
    images: Callable[[int], str] = str,
) -> Array:
    """Check a feature matrix as :func:`check_where_it_is`, on the host."""
    return np.asarray(check_where_it_is(to_numpy(features), name, images))


def check_widths(query: 'Array | Tensor', gallery: 'Array | Tensor') -> None:
    """Check that two feature matrices have the same number of columns."""
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(
            f'query features have {query.shape[1]} columns and gallery '
            f'features {gallery.shape[1]}; both must come from the same '
            'model.'
        )


def unit_rows(array: Array) -> Array:
    """Divide rows by their lengths; rows of zeros stay."""
    norms = _norms(array)
    if abs(norms - 1).max() < 2 * np.finfo(array.dtype).eps:
        return array  # of unit length up to rounding
    wild = (norms < NORM_FLOOR) | ~(norms < np.finfo(array.dtype).max)
    if wild.any():  # quotients would leave the range of the numbers
        largest = np.where(wild, np.abs(array).max(axis=1), 1)[:, None]
        array = array / np.where(largest == 0, 1, largest).astype(array.dtype)
        norms = _norms(array)
    norms = np.maximum(norms, NORM_FLOOR).astype(array.dtype)
    return np.asarray(array / norms[:, None])


def _norms(array: Array) -> npt.NDArray[np.float64]:
    with np.errstate(over='ignore'):
        squares = np.einsum('nd,nd->n', array, array, dtype=np.float64)
    return np.asarray(np.sqrt(squares))


def _bad_rows(array: Any) -> Array:
    """Numbers of the rows with NaN or Inf."""
    with np.errstate(over='ignore', invalid='ignore'):
        sums = to_numpy(array.sum(1))
    rows = np.flatnonzero(~np.isfinite(sums))  # or too large to add up
    return rows[~np.isfinite(to_numpy(array[rows])).all(axis=1)]

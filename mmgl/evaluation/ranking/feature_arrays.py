"""Feature matrices from numpy or torch, on the host or an accelerator."""

import numpy as np


def to_numpy(values):
    """Turn an array-like or a torch tensor into a numpy array.

    Args:
        values (array-like or Tensor): Any shape, any device.

    Returns:
        np.ndarray: The same values; it may share memory with the input.
    """
    if hasattr(values, 'detach'):
        values = values.detach().cpu()
        if values.is_floating_point() and values.element_size() < 4:
            values = values.float()  # numpy has no bfloat16
        return values.numpy()
    return np.asarray(values)


def is_on_accelerator(values):
    """Tell whether values are a torch tensor that is not on the host.

    Args:
        values (array-like or Tensor): Any shape.

    Returns:
        bool: False for everything but such tensors.
    """
    device = getattr(values, 'device', 'cpu')
    return getattr(device, 'type', 'cpu') != 'cpu'


def check_features(features, name='features', images=None, keep_device=False):
    """Check a feature matrix and return it as float32 or float64.

    Args:
        features (array-like or Tensor): Features, (n, d), n and d >= 1.
        name (str): How the matrix is called in messages.
        images (Callable, optional): Takes a row number and names its image.
        keep_device (bool): Return a tensor that is on an accelerator as it
            is, a tensor.

    Returns:
        np.ndarray or Tensor: (n, d), float32 for float32 and half
        precision, float64 for everything else; the input itself is never
        changed.

    Raises:
        TypeError: If the values are not real numbers.
        ValueError: If it is not a matrix, is empty, or has NaN or Inf.
    """
    if keep_device and is_on_accelerator(features):
        from .device_ranks import to_float

        array = to_float(features.detach())
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
        called = [str(row) for row in bad[:10]]
        if images is not None:
            called = [f'{row}: {images(row)}' for row in bad[:10].tolist()]
        more = ', ...' if bad.size > 10 else ''
        raise ValueError(
            f'{name} has NaN or Inf in {bad.size} of {len(array)} rows '
            f'(rows {", ".join(called)}{more}, counted from 0). Check that '
            'training did not diverge and extract the features again.'
        )
    return array


def check_widths(query, gallery):
    """Check that two feature matrices have the same number of columns.

    Args:
        query (np.ndarray or Tensor): (n, d).
        gallery (np.ndarray or Tensor): (m, d).

    Raises:
        ValueError: For different d.
    """
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(
            f'query features have {query.shape[1]} columns and gallery '
            f'features {gallery.shape[1]}; both must come from the same '
            'model.'
        )


def _bad_rows(array):
    """Numbers of the rows with NaN or Inf."""
    with np.errstate(over='ignore', invalid='ignore'):
        sums = to_numpy(array.sum(1))
    rows = np.flatnonzero(~np.isfinite(sums))  # or too large to add up
    if not rows.size:
        return rows
    return rows[~np.isfinite(to_numpy(array[rows])).all(axis=1)]

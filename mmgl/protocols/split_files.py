"""Reading the official SYSU-MM01 split files (``exp/`` of the data set)."""

from pathlib import Path

import numpy as np
from scipy.io import loadmat


def _load_mat(path, key):
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist; it is part of exp/ of SYSU-MM01.'
        )
    try:
        content = loadmat(path)
    except (NotImplementedError, ValueError) as error:
        raise ValueError(f'{path} cannot be read: {error}') from error
    if key not in content:
        names = sorted(name for name in content if not name.startswith('__'))
        raise ValueError(f'{path} has no variable {key!r}, only {names}.')
    return content[key]


def read_id_list(path):
    """Read a list of identities, such as ``test_id.txt`` or ``test_id.mat``.

    Args:
        path (str or Path): Text file with numbers separated by commas or
            white space, or a .mat file with the variable ``id``.

    Returns:
        list[int]: Identities in ascending order.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty, repeats an identity, or is no such list.
    """
    path = Path(path)
    if path.suffix == '.mat':
        ids = [int(value) for value in np.ravel(_load_mat(path, 'id'))]
    else:
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} does not exist; it is part of exp/ of SYSU-MM01.'
            )
        words = path.read_text().replace(',', ' ').split()
        try:
            ids = [int(word) for word in words]
        except ValueError as error:
            raise ValueError(
                f'{path} is not a list of whole numbers: {error}.'
            ) from error
    if not ids or len(set(ids)) < len(ids):
        raise ValueError(f'{path} is empty or repeats an identity.')
    return sorted(ids)


def load_rand_perm_cam(path):
    """Read the official permutations that choose the gallery of each trial.

    The variable ``rand_perm_cam`` is a cell of cameras, each a cell of
    identities, each a matrix (10, n): row t permutes 1..n, the images of
    that identity under that camera.

    Args:
        path (str or Path): ``rand_perm_cam.mat``.

    Returns:
        dict[int, dict[int, np.ndarray]]: Camera -> identity -> int64
        (10, n), numbers from 1. An empty entry (the identity is absent from
        that camera) is left out.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If its content has another form.
    """
    cameras = np.ravel(_load_mat(path, 'rand_perm_cam'))
    result = {}
    for camid, cell in enumerate(cameras, start=1):
        result[camid] = {}
        for pid, entry in enumerate(np.ravel(cell), start=1):
            entry = np.asarray(entry)
            if entry.size == 0:
                continue
            if entry.ndim != 2 or entry.dtype.kind not in 'iuf':
                raise ValueError(
                    f'{path}: entry of camera {camid}, identity {pid} is '
                    f'{entry.dtype} {entry.shape}; expected numbers (10, n).'
                )
            whole = entry.astype(np.int64)
            if (whole != entry).any() or whole.min() < 1:
                raise ValueError(
                    f'{path}: entry of camera {camid}, identity {pid} has '
                    'values that are not image numbers from 1.'
                )
            result[camid][pid] = whole
    return result

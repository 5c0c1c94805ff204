"""Reading the official SYSU-MM01 split files (``exp/`` of the data set)."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist; it is part of exp/ of SYSU-MM01.'
        )
    return path


def _load_mat(path: Path, key: str) -> npt.NDArray[Any]:
    try:
        content = loadmat(_existing(path))
    except (NotImplementedError, ValueError) as error:
        raise ValueError(f'{path} cannot be read: {error}') from error
    if key not in content:
        names = sorted(name for name in content if not name.startswith('__'))
        raise ValueError(f'{path} has no variable {key!r}, only {names}.')
    return np.ravel(content[key])


def read_id_list(path: str | Path) -> list[int]:
    """Read ascending identities, as of ``test_id.txt`` or ``test_id.mat``.

    A text file has numbers separated by commas or white space, a .mat file
    the variable ``id``. An empty list or a repeated identity is a ValueError.
    """
    path = Path(path)
    if path.suffix == '.mat':
        ids = [int(value) for value in _load_mat(path, 'id')]
    else:
        words = _existing(path).read_text().replace(',', ' ').split()
        try:
            ids = [int(word) for word in words]
        except ValueError as error:
            raise ValueError(
                f'{path} is not a list of whole numbers: {error}.'
            ) from error
    if not ids or len(set(ids)) < len(ids):
        raise ValueError(f'{path} is empty or repeats an identity.')
    return sorted(ids)


def load_rand_perm_cam(
    path: str | Path,
) -> dict[int, dict[int, npt.NDArray[np.int64]]]:
    """Read the official permutations that choose the gallery of each trial.

    The variable ``rand_perm_cam`` is a cell of cameras, each a cell of
    identities, each a matrix (10, n): row t permutes 1..n, the images of
    that identity under that camera. It comes as camera -> identity -> matrix;
    an empty entry (the identity is absent from that camera) is left out.
    """
    result: dict[int, dict[int, npt.NDArray[np.int64]]] = {}
    cameras = _load_mat(Path(path), 'rand_perm_cam')
    for camid, cell in enumerate(cameras, start=1):
        result[camid] = {}
        for pid, entry in enumerate(np.ravel(cell), start=1):
            entry = np.asarray(entry)
            if entry.size:
                where = f'{path}: entry of camera {camid}, identity {pid}'
                result[camid][pid] = _image_numbers(entry, where)
    return result


def _image_numbers(
    entry: npt.NDArray[Any], where: str
) -> npt.NDArray[np.int64]:
    if entry.ndim != 2 or entry.dtype.kind not in 'iuf':
        raise ValueError(
            f'{where} is {entry.dtype} {entry.shape}; expected numbers '
            '(10, n).'
        )
    whole = entry.astype(np.int64)
    if (whole != entry).any() or whole.min() < 1:
        raise ValueError(
            f'{where} has values that are not image numbers from 1.'
        )
    return whole

"""Reading the official SYSU-MM01 split files (``exp/`` of the data set)."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .matfile import Array, load_mat

# Folders of persons are named by four digits.
MAX_PID = 9999
MAX_BYTES = 2**24
REMEDY = 'restore the official file.'


def read_text(path: Path) -> str:
    """Read a split file of text, with or without a byte order mark."""
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist; it is part of the official split files.'
        )
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f'{path} is larger than {MAX_BYTES} bytes; {REMEDY}')
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError:
        text = '\0'
    if re.search(r'[\0-\x08\x0e-\x1f\x7f]', text):
        raise ValueError(f'{path} is no text; {REMEDY}')
    return text


def _variable(path: Path, key: str) -> Array:
    """Read a variable of a MATLAB file, in one dimension."""
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist; it is part of exp/ of SYSU-MM01.'
        )
    try:
        content = load_mat(path)
    except NotImplementedError as error:
        raise ValueError(f'{path} cannot be read: {error}') from error
    if key not in content:
        raise ValueError(
            f'{path} has no variable {key!r}, only {sorted(content)}.'
        )
    return np.ravel(content[key])


def _read_ids(path: Path) -> list[int]:
    """Read the numbers of one file and check them."""
    if path.suffix == '.mat':
        words = [f'{value}' for value in _variable(path, 'id').tolist()]
        # MATLAB keeps whole numbers as 7.0, too.
        words = [word.removesuffix('.0') for word in words]
    else:
        words = [w for w in re.split(r'[\s,]+', read_text(path)) if w]
    for word in words:
        if not re.fullmatch('0*[1-9][0-9]{0,3}', word):
            raise ValueError(
                f'{path} is not a list of whole numbers from 1 to {MAX_PID}: '
                f'{word[:20]!r}; {REMEDY}'
            )
    ids = [int(word) for word in words]
    if not ids or len(set(ids)) < len(ids):
        raise ValueError(f'{path} is empty or repeats an identity; {REMEDY}')
    return sorted(ids)


def read_id_list(path: str | Path) -> list[int]:
    """Read ascending identities, as of ``test_id.txt`` or ``test_id.mat``.

    A text file has numbers separated by commas or white space, a .mat file
    the variable ``id``; where an official list has both, they must agree. An
    empty list or a repeated identity is a ValueError.
    """
    path = Path(path)
    ids = _read_ids(path)
    twin = path.with_suffix('.txt' if path.suffix == '.mat' else '.mat')
    official = path.stem.endswith('_id')
    if official and twin.exists() and _read_ids(twin) != ids:
        raise ValueError(
            f'{path} and {twin.name} name other identities; restore the '
            'official files.'
        )
    return ids


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
    cameras = _variable(Path(path), 'rand_perm_cam')
    for camid, cell in enumerate(cameras, start=1):
        result[camid] = {}
        for pid, entry in enumerate(np.ravel(cell), start=1):
            entry = np.asarray(entry)
            if entry.size:
                where = f'{path}: entry of camera {camid}, identity {pid}'
                result[camid][pid] = _image_numbers(entry, where)
    return result


def _image_numbers(entry: Array, where: str) -> npt.NDArray[np.int64]:
    if entry.ndim != 2 or entry.dtype.kind not in 'iuf':
        raise ValueError(
            f'{where} is {entry.dtype} {entry.shape}; expected numbers '
            '(10, n).'
        )
    # Also false for what is no number.
    fits = (entry >= 1) & (entry < 2**31)
    whole = np.where(fits, entry, 0).astype(np.int64)
    if not fits.all() or (whole != entry).any():
        raise ValueError(
            f'{where} has values that are not image numbers from 1.'
        )
    return whole

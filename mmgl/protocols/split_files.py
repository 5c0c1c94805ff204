"""Reading the official split files of SYSU-MM01 (``exp/``) and RegDB."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .completeness import Counts, check_regdb_paths, count_images
from .matfile import load_mat
from .regdb import FILE_WORDS, IDX_FOLDER, split_file_name


def _load_mat(path: Path, key: str) -> npt.NDArray[Any]:
    try:
        content = load_mat(path)
    except NotImplementedError as error:
        raise ValueError(str(error)) from error
    if key not in content:
        raise ValueError(
            f'{path} has no variable {key!r}, only {sorted(content)}.'
        )
    return np.ravel(content[key])


def read_id_list(path: str | Path) -> list[int]:
    """Read ascending identities, as of ``test_id.txt`` or ``test_id.mat``.

    A text file has numbers separated by commas or white space, a .mat file
    the variable ``id``. What is not distinct identities is a ValueError.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist; it is part of exp/ of SYSU-MM01.'
        )
    words: Sequence[Any]
    try:
        if path.suffix == '.mat':
            words = _load_mat(path, 'id').tolist()
        else:
            words = path.read_text(encoding='utf-8').replace(',', ' ').split()
        ids = sorted(int(word) for word in words)
        if ids != sorted(map(float, words)):
            raise ValueError('it has fractions')
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f'{path} is not a list of whole numbers: {error}.'
        ) from error
    if not ids or ids[0] < 1 or len(set(ids)) < len(ids):
        raise ValueError(
            f'{path} is empty, repeats an identity or has one below 1.'
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
    with np.errstate(invalid='ignore'):  # NaN differs from any number
        whole = entry.astype(np.int64)
    if (whole != entry).any() or whole.min() < 1:
        raise ValueError(
            f'{where} has values that are not image numbers from 1.'
        )
    return whole


def count_regdb_images(data_root: str | Path, trial: int) -> Counts:
    """Count the test images of a trial in its two lists.

    ``data_root`` holds ``idx``, or is any folder with the lists. Broken and
    exchanged lists are a ValueError.
    """
    names = {one: split_file_name('test', one, trial) for one in FILE_WORDS}
    folders = Path(data_root) / IDX_FOLDER, Path(data_root)
    found = [
        f for f in folders if all((f / n).is_file() for n in names.values())
    ]
    if not found:
        raise FileNotFoundError(
            f'{data_root} has no {" and ".join(names.values())}, neither in '
            'idx/ nor directly; give the root of RegDB.'
        )
    rows: list[tuple[str, int, int]] = []
    for modality, name in names.items():
        file = found[0] / name
        try:
            for line in file.read_text(encoding='utf-8').splitlines():
                path, label = line.split()
                rows.append((path, modality, int(label)))
        except ValueError as error:
            raise ValueError(
                f'{file} is not a list of images and labels: {error}.'
            ) from error
    paths, modalities, labels = zip(*rows, strict=True)
    check_regdb_paths(paths, modalities)
    return count_images(modalities, labels)

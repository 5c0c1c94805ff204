"""Whether the images of a test are all there, as its protocol counts them."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .galleries import Images, Permutations
from .modality import MODALITY_NAMES
from .regdb import FILE_WORDS, IDX_FOLDER, split_file_name
from .split_files import read_text

# (modality, label) -> images.
Counts = Mapping[tuple[int, int], int]


def check_sysu_images(
    images: Images, rand_perm_cam: Permutations, pids: Collection[int]
) -> None:
    """Compare the images of some identities with the permutations.

    Missing and unknown images are a ValueError. Cameras and identities that
    the permutations do not know are left to whoever draws the galleries.
    """
    lost, unknown, total = [], [], 0
    for camid, entries in rand_perm_cam.items():
        for pid in sorted(entries.keys() & set(pids)):
            named = set(entries[pid].ravel().tolist())
            there = set(images.get(camid, {}).get(pid, ()))
            total += len(named)
            lost += [(camid, pid, one) for one in sorted(named - there)]
            unknown += [(camid, pid, one) for one in sorted(there - named)]
    if not lost and not unknown:
        return
    absent = sorted(
        {pid for _, pid, _ in lost} - set().union(*images.values())
    )
    nobody = f'all of the identities {absent}, ' if absent else ''
    camid, pid, number = (lost or unknown)[0]
    raise ValueError(
        f'{len(lost)} of the {total} images that rand_perm_cam names are '
        f'missing ({nobody}{len(unknown)} others are not known; first: camera '
        f'{camid}, identity {pid}, image {number}); extract features of every '
        'image of the test identities, without indices of the data set, or '
        'score them as partial.'
    )


def count_images(modality: npt.ArrayLike, labels: npt.ArrayLike) -> Counts:
    """Count the images of each label in each modality."""
    columns = np.asarray(modality).tolist(), np.asarray(labels).tolist()
    return Counter(zip(*columns, strict=True))


def check_regdb_images(
    found: Counts, labels: int | None = None, expected: Counts | None = None
) -> None:
    """Compare the images of a RegDB split with what is expected.

    By default each of the ``labels``, from 0 to the largest one, has as many
    images in either modality as the others. Differences are a ValueError.
    """
    if expected is None:
        labels = labels or 1 + max(label for _, label in found)
        most = max(found.values())
        expected = {
            (modality, label): most
            for modality in FILE_WORDS
            for label in range(labels)
        }
    wrong = [
        key
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key, 0) != found.get(key, 0)
    ]
    if wrong:
        modality, label = wrong[0]
        raise ValueError(
            f'{len(wrong)} labels do not have the images of the RegDB split '
            f'(first: {found.get(wrong[0], 0)} {MODALITY_NAMES[modality]} '
            f'images of label {label}, not {expected.get(wrong[0], 0)}); '
            'extract features of every image, without indices of the data '
            'set, or score them as partial.'
        )


def check_sysu_paths(
    paths: Collection[str], camids: npt.ArrayLike, pids: npt.ArrayLike
) -> None:
    """Check labels by the paths, where they are ``camCAMERA/ID/IMAGE``."""
    columns = np.asarray(camids).tolist(), np.asarray(pids).tolist()
    for path, camid, pid in zip(paths, *columns, strict=True):
        said = re.search(r'cam([1-6])[\\/](\d+)[\\/]\d+\.\w+$', path)
        if said and (int(said[1]), int(said[2])) != (camid, pid):
            raise ValueError(
                f'{path} is called camera {camid}, identity {pid}; labels and '
                'paths have another order.'
            )


def _tail(path: str) -> str:
    """``MODALITY/PERSON/IMAGE`` of RegDB, wherever its root is."""
    return '/'.join(path.replace('\\', '/').split('/')[-3:])


def check_regdb_paths(paths: Collection[str], modality: npt.ArrayLike) -> None:
    """Check that images lie in ``Visible`` and ``Thermal``."""
    words = list(FILE_WORDS.values())
    for path, number in zip(paths, np.asarray(modality).tolist(), strict=True):
        word = _tail(path).split('/')[0].lower()
        if word in words and word != FILE_WORDS[number]:
            raise ValueError(
                f'{path} is called {MODALITY_NAMES[number]}; the lists of '
                'the modalities are exchanged.'
            )


@dataclass(frozen=True)
class RegDBLists:
    """Test images of a trial: (modality, label) by path, and their numbers."""

    keys: Mapping[str, tuple[int, int]]
    counts: Counts

    def check_paths(
        self,
        paths: Collection[str],
        modality: npt.ArrayLike,
        labels: npt.ArrayLike,
    ) -> None:
        """Check that images are those of the lists, under the same labels."""
        columns = np.asarray(modality).tolist(), np.asarray(labels).tolist()
        for path, *key in zip(paths, *columns, strict=True):
            if self.keys.get(_tail(path)) != tuple(key):
                raise ValueError(
                    f'{path} is not in the lists of the trial as a '
                    f'{MODALITY_NAMES[key[0]]} image of label {key[1]}.'
                )


def read_regdb_lists(data_root: str | Path, trial: int) -> RegDBLists:
    """Read the two lists of the test images of a trial.

    ``data_root`` holds ``idx``, or is any folder with the lists. Broken and
    exchanged lists are a ValueError.
    """
    names = {one: split_file_name('test', one, trial) for one in FILE_WORDS}
    for folder in (Path(data_root) / IDX_FOLDER, Path(data_root)):
        if all((folder / name).is_file() for name in names.values()):
            break
    else:
        raise FileNotFoundError(
            f'{data_root} has no {" and ".join(names.values())}, neither in '
            'idx/ nor directly; give the root of RegDB.'
        )
    keys: dict[str, tuple[int, int]] = {}
    for modality, name in names.items():
        for line in filter(str.strip, read_text(folder / name).splitlines()):
            path, _, label = line.strip().rpartition(' ')
            if not label.isdecimal():
                raise ValueError(
                    f'{folder / name} has a line that is not an image and a '
                    f'label, {line[:80]!r}; restore the official file.'
                )
            check_regdb_paths([path], [modality])
            keys[_tail(path)] = modality, int(label)
    return RegDBLists(keys, Counter(keys.values()))

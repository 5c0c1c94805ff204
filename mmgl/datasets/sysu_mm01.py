"""SYSU-MM01 in its official layout."""

import os
import os.path as osp
import warnings
from collections.abc import Iterable

import numpy as np
from scipy.io.matlab import MatReadError

from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.protocols.sysu import (
    ALL_CAMERAS,
    CAMERAS,
    EXP_FOLDER,
    RAND_PERM_NAME,
    TRIALS,
    id_file_name,
)
from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, VISIBLE

from .reid_dataset import ReIDDataset

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
RAND_PERM_FILE = osp.join(EXP_FOLDER, RAND_PERM_NAME)


@DATASETS.register_module()
class SYSUMM01(ReIDDataset):
    """SYSU-MM01 (Wu et al., ICCV 2017), read from the official folders.

    Layout: ``cam{1..6}/{pid:04d}/{index:04d}.jpg``, ``exp/train_id.txt``,
    ``exp/val_id.txt``, ``exp/test_id.txt``, ``exp/rand_perm_cam.mat``.
    Cameras 3 and 6 are infrared.

    Splits: ``train``, ``val`` and ``trainval`` (both, the usual training
    set) with contiguous labels in ascending order of the person numbers;
    ``query`` (infrared images of the test ids), ``gallery`` (all their
    visible images, from which the trials draw), ``test`` (both) and
    ``val_test`` (the same of the val ids) with the person numbers
    themselves. The test splits carry the official permutations of their ids
    in ``metainfo['rand_perm_cam']``.

    Files that are no numbered image (``Thumbs.db``...) are ignored. Gaps in
    the numbering are an error in test splits, whose gallery draw names
    images by number, and a warning in the others.

    Args:
        data_root: Folder that holds ``cam1`` ... ``cam6`` and ``exp``.
        split: See above.
        pipeline, modality, ...: See :class:`ReIDDataset`.
    """

    ID_FILES = {
        'train': ('train',),
        'val': ('val',),
        'trainval': ('train', 'val'),
        'query': ('test',),
        'gallery': ('test',),
        'test': ('test',),
        'val_test': ('val',),
    }
    SPLITS = tuple(ID_FILES)
    TRAIN_SPLITS = ('train', 'val', 'trainval')

    def read_metainfo(self) -> dict:
        """Read the ids of the split and, where needed, the permutations."""
        pids = read_split_ids(self.data_root, self.ID_FILES[self.split])
        self._pids = pids
        meta = dict(
            dataset='sysu',
            split=self.split,
            trial=None,
            num_pids=len(pids),
            pids=pids,
        )
        self._permutations = None
        if self.split not in self.TRAIN_SPLITS:
            self._permutations = read_permutations(self.data_root, pids)
            meta['rand_perm_cam'] = self._permutations
        elif self.listing == 'protocol':
            self._permutations = read_permutations(self.data_root, pids)
        return meta

    def load_data_list(self) -> list[dict]:
        """List the images by person, camera and number, all ascending."""
        cameras = {
            'query': CAMERAS[INFRARED],
            'gallery': CAMERAS[VISIBLE],
        }.get(self.split, ALL_CAMERAS)
        if self.listing == 'disk':
            check_camera_folders(self.data_root, cameras)
        relabel = self.split in self.TRAIN_SPLITS
        entries, gaps = [], []
        for label, raw_pid in enumerate(self._pids):
            pid = label if relabel else raw_pid
            found = {c: self._images(c, raw_pid) for c in cameras}
            self._check_person(raw_pid, found, gaps)
            for camid, images in found.items():
                modality = int(camid in CAMERAS[INFRARED])
                for index, file in images.items():
                    path = (f'cam{camid}', f'{raw_pid:04d}', file)
                    entries.append(
                        self.make_entry(
                            path, pid, raw_pid, camid, modality, index
                        )
                    )
        if gaps:
            warnings.warn(
                f'SYSUMM01: {len(gaps)} folders of {self.data_root!r} are not '
                f'numbered 0001, 0002, ... without gap: {gaps[:5]}...; files '
                'may be missing. tools/misc/verify_dataset.py lists them.'
            )
        return entries

    def _images(self, camid: int, raw_pid: int) -> dict[int, str]:
        """Return {image number: file name} of one folder, or {}."""
        if self.listing == 'disk':
            return list_numbered_images(
                osp.join(self.data_root, f'cam{camid}', f'{raw_pid:04d}')
            )
        count = permutation_length(self._permutations, camid, raw_pid)
        return {i: f'{i:04d}.jpg' for i in range(1, count + 1)}

    def _check_person(
        self, raw_pid: int, found: dict[int, dict[int, str]], gaps: list[str]
    ) -> None:
        """Check one person's folders; gaps of training splits are noted."""
        for modality, name in ((VISIBLE, 'visible'), (INFRARED, 'infrared')):
            cameras = [c for c in CAMERAS[modality] if c in found]
            if self.modality not in ('both', name) or not cameras:
                continue
            if not any(found[c] for c in cameras):
                raise FileNotFoundError(
                    f'SYSUMM01: person {raw_pid:04d} of split {self.split!r} '
                    f'has no {name} image in any of cam{cameras} of '
                    f'{self.data_root!r}; restore the folders, or remove the '
                    'id from the split files.'
                )
        for camid, images in found.items():
            folder = osp.join(f'cam{camid}', f'{raw_pid:04d}')
            if self._permutations is not None:
                count = permutation_length(self._permutations, camid, raw_pid)
                check_numbering(self.data_root, folder, images, count)
            elif images and list(images) != list(range(1, len(images) + 1)):
                gaps.append(folder)


def id_file(data_root: str, name: str) -> str:
    """Return the path of the id file of 'train', 'val' or 'test'."""
    return osp.join(data_root, EXP_FOLDER, id_file_name(name))


def read_split_ids(data_root: str, names: Iterable[str]) -> list[int]:
    """Read and join id files, for example those of train and val.

    Args:
        data_root: Folder of the data set.
        names: 'train', 'val' or 'test'.

    Returns:
        Person numbers, ascending.

    Raises:
        ValueError: If two files share a person.
    """
    pids = []
    for name in names:
        pids += read_id_list(id_file(data_root, name))
    if len(set(pids)) != len(pids):
        raise ValueError(
            f'SYSU-MM01: the id files of {tuple(names)} in '
            f'{osp.join(data_root, EXP_FOLDER)!r} share a person; restore the '
            'official files.'
        )
    return sorted(pids)


def read_permutations(data_root: str, pids: Iterable[int]) -> dict:
    """Read ``exp/rand_perm_cam.mat``, restricted to some persons.

    Args:
        data_root: Folder of the data set.
        pids: Persons to keep.

    Returns:
        ``{camid: {pid: (10, n) int array}}`` of 1-based image numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or an entry is not ten
            permutations of 1 to n.
    """
    path = osp.join(data_root, RAND_PERM_FILE)
    try:
        everyone = load_rand_perm_cam(path)
    except MatReadError as error:
        raise ValueError(
            f'SYSU-MM01: {path!r} cannot be read ({error}); restore the '
            'official file.'
        ) from error
    wanted = set(pids)
    permutations = {
        camid: {pid: rows for pid, rows in per_pid.items() if pid in wanted}
        for camid, per_pid in everyone.items()
    }
    for camid, per_pid in permutations.items():
        for pid, rows in per_pid.items():
            if len(rows) != TRIALS or np.any(
                np.sort(rows) != np.arange(1, rows.shape[1] + 1)
            ):
                raise ValueError(
                    f'SYSU-MM01: the entry of camera {camid}, person {pid} '
                    f'in {path!r} is not ten permutations of 1 to '
                    f'{rows.shape[1]}; restore the official file.'
                )
    return permutations


def permutation_length(permutations: dict, camid: int, pid: int) -> int:
    """Return how many images the permutation file says a folder holds."""
    rows = permutations.get(camid, {}).get(pid)
    return 0 if rows is None else rows.shape[1]


def check_camera_folders(data_root: str, cameras: Iterable[int]) -> None:
    """Raise FileNotFoundError for the first missing camera folder."""
    for camid in cameras:
        if not osp.isdir(osp.join(data_root, f'cam{camid}')):
            raise FileNotFoundError(
                f'SYSU-MM01: folder cam{camid} is missing in {data_root!r}; '
                'data_root must hold cam1 ... cam6 and exp.'
            )


def list_numbered_images(folder: str) -> dict[int, str]:
    """List the numbered images of one folder.

    Args:
        folder: Folder of one person and camera; it need not exist, since not
            every person was seen by every camera.

    Returns:
        ``{number: file name}``, ascending; other files are left out.

    Raises:
        ValueError: If two files have the same number.
    """
    if not osp.isdir(folder):
        return {}
    images: dict[int, str] = {}
    for file in os.listdir(folder):
        stem, suffix = osp.splitext(file)
        if suffix.lower() not in IMAGE_SUFFIXES or not stem.isdecimal():
            continue
        if int(stem) in images:
            raise ValueError(
                f'SYSU-MM01: {folder!r} holds two images of number '
                f'{int(stem)}: {images[int(stem)]!r} and {file!r}; remove '
                'one of them.'
            )
        images[int(stem)] = file
    return dict(sorted(images.items()))


def check_numbering(
    data_root: str, folder: str, images: Iterable[int], count: int
) -> None:
    """Compare a folder's image numbers with the permutation file.

    Args:
        data_root: Folder of the data set.
        folder: Folder below it, named in the message.
        images: Numbers found.
        count: Length of the permutation: numbers 1 to count are expected.

    Raises:
        ValueError: If they differ.
    """
    found, expected = set(images), set(range(1, count + 1))
    if found != expected:
        raise ValueError(
            f'SYSU-MM01: {osp.join(data_root, folder)!r} holds {len(found)} '
            f'images where {RAND_PERM_FILE} names 1 to {count}; missing '
            f'numbers {sorted(expected - found)[:5]}, unknown numbers '
            f'{sorted(found - expected)[:5]}. Restore the images, or the '
            'file that belongs to them.'
        )

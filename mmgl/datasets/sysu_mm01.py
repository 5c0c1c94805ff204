"""SYSU-MM01 in its official layout."""

import os
import os.path as osp
import warnings
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.protocols.sysu import (
    ALL_CAMERAS,
    CAMERAS,
    EXP_FOLDER,
    ID_FILES,
    RAND_PERM_NAME,
    TRIALS,
    id_file_name,
)
from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE
from mmgl.utils.errors import ConfigError

from .checks import check_disjoint
from .reid_dataset import ReIDDataset
from .types import Ints, Results

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
ID_NAMES = ('train', 'val', 'test')
RAND_PERM_FILE = osp.join(EXP_FOLDER, RAND_PERM_NAME)
# Camera -> person -> (10, n), numbers of images from 1.
Permutations = Mapping[int, Mapping[int, Ints]]


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

    All arguments are those of :class:`ReIDDataset`.
    """

    SPLITS = tuple(ID_FILES)
    TRAIN_SPLITS = ('train', 'val', 'trainval')

    def read_metainfo(self) -> dict[str, Any]:
        """Read the ids of the split and, where needed, the permutations."""
        self._pids = read_split_ids(self.data_root, ID_FILES[self.split])
        meta: dict[str, Any] = dict(
            dataset='sysu', num_pids=len(self._pids), pids=self._pids
        )
        self._relabel = self.split in self.TRAIN_SPLITS
        self._permutations: Permutations | None = None
        if not self._relabel or self.listing == 'protocol':
            self._permutations = read_permutations(self.data_root, self._pids)
        if not self._relabel:
            meta['rand_perm_cam'] = self._permutations
        return meta

    def load_data_list(self) -> list[Results]:
        """List the images by person, camera and number, all ascending."""
        cameras = {
            'query': CAMERAS[INFRARED],
            'gallery': CAMERAS[VISIBLE],
        }.get(self.split, ALL_CAMERAS)
        if self.listing == 'disk':
            check_camera_folders(self.data_root, cameras)
        entries: list[Results] = []
        gaps: list[str] = []
        for label, raw_pid in enumerate(self._pids):
            pid = label if self._relabel else raw_pid
            found = {c: self._images(c, raw_pid) for c in cameras}
            self._check_person(raw_pid, found, gaps)
            for camid, images in found.items():
                folder = person_folder(camid, raw_pid)
                modality = INFRARED if camid in CAMERAS[INFRARED] else VISIBLE
                known = pid, raw_pid, camid, modality
                entries += [
                    self.make_entry((folder, file), *known, index)
                    for index, file in images.items()
                ]
        if gaps:
            warnings.warn(
                f'SYSUMM01: {len(gaps)} folders of {self.data_root!r} are not '
                f'numbered 0001, 0002, ... without gap: {gaps[:5]}...; files '
                'may be missing. tools/misc/verify_dataset.py lists them.'
            )
        return entries

    def _images(self, camid: int, raw_pid: int) -> dict[int, str]:
        """Return {image number: file name} of one folder, or {}."""
        if self.listing == 'protocol' and self._permutations is not None:
            numbers = expected_numbers(self._permutations, camid, raw_pid)
            return {i: f'{i:04d}.jpg' for i in numbers}
        return list_numbered_images(
            osp.join(self.data_root, person_folder(camid, raw_pid))
        )

    def _check_person(
        self, raw_pid: int, found: dict[int, dict[int, str]], gaps: list[str]
    ) -> None:
        """Check one person's folders; gaps of training splits are noted."""
        for modality, name in enumerate(MODALITY_NAMES):
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
            if self._permutations is not None:
                check_numbering(
                    self.data_root, self._permutations, camid, raw_pid, images
                )
            elif images and list(images) != list(range(1, len(images) + 1)):
                gaps.append(person_folder(camid, raw_pid))


def id_file(data_root: str, name: str) -> str:
    """Return the path of the id file of 'train', 'val' or 'test'."""
    return osp.join(data_root, EXP_FOLDER, id_file_name(name))


def person_folder(camid: int, pid: int) -> str:
    """Return the folder, below the root, of a person under a camera."""
    return osp.join(f'cam{camid}', f'{pid:04d}')


def read_split_ids(data_root: str, names: Collection[str]) -> list[int]:
    """Return the persons, ascending; ValueError if splits share any."""
    paths = {name: id_file(data_root, name) for name in ID_NAMES}
    pids = {
        name: read_id_list(path)
        for name, path in paths.items()
        if name in names or osp.exists(path)
    }
    for one, other in combinations(pids, 2):
        where = f'SYSU-MM01: {paths[one]!r} and {paths[other]!r}'
        check_disjoint(where, pids[one], pids[other])
    return sorted(pid for name in names for pid in pids[name])


def read_permutations(data_root: str, pids: Iterable[int]) -> Permutations:
    """Read ``rand_perm_cam.mat``; ValueError if they are none."""
    path = osp.join(data_root, RAND_PERM_FILE)
    wanted = set(pids)
    permutations = {
        camid: {pid: rows for pid, rows in per_pid.items() if pid in wanted}
        for camid, per_pid in load_rand_perm_cam(path).items()
    }
    for camid, per_pid in permutations.items():
        for pid, rows in per_pid.items():
            numbers = np.arange(1, rows.shape[1] + 1)
            if len(rows) != TRIALS or np.any(np.sort(rows) != numbers):
                raise ConfigError(
                    f'SYSU-MM01: the entry of camera {camid}, person {pid} '
                    f'in {path!r} is not ten permutations of 1 to '
                    f'{rows.shape[1]}; restore the official file.'
                )
    return permutations


def expected_numbers(
    permutations: Permutations, camid: int, pid: int
) -> range:
    """Return the image numbers that the permutations expect in a folder."""
    rows = permutations.get(camid, {}).get(pid)
    return range(1, 1 if rows is None else rows.shape[1] + 1)


def check_camera_folders(data_root: str, cameras: Iterable[int]) -> None:
    """Raise FileNotFoundError for the first missing camera folder."""
    for camid in cameras:
        if not osp.isdir(osp.join(data_root, f'cam{camid}')):
            raise FileNotFoundError(
                f'SYSU-MM01: folder cam{camid} is missing in {data_root!r}; '
                'data_root must hold cam1 ... cam6 and exp.'
            )


def list_numbered_images(folder: str) -> dict[int, str]:
    """Return number -> file, ascending; ValueError for twins."""
    images: dict[int, str] = {}
    for file in os.listdir(folder) if osp.isdir(folder) else ():
        stem, suffix = osp.splitext(file)
        if suffix.lower() not in IMAGE_SUFFIXES or not stem.isdecimal():
            continue
        if int(stem) in images:
            raise ConfigError(
                f'SYSU-MM01: {folder!r} holds two images of number '
                f'{int(stem)}: {images[int(stem)]!r} and {file!r}; remove '
                'one of them.'
            )
        images[int(stem)] = file
    return dict(sorted(images.items()))


def check_numbering(
    data_root: str,
    permutations: Permutations,
    camid: int,
    pid: int,
    images: Collection[int],
) -> None:
    """Raise ValueError unless a folder has the numbers that are expected."""
    expected = expected_numbers(permutations, camid, pid)
    if set(images) != set(expected):
        folder = osp.join(data_root, person_folder(camid, pid))
        raise ConfigError(
            f'SYSU-MM01: {folder!r} holds {len(images)} images where '
            f'{RAND_PERM_FILE} names 1 to {len(expected)}; missing '
            f'numbers {sorted(set(expected) - set(images))[:5]}, unknown '
            f'numbers {sorted(set(images) - set(expected))[:5]}. Restore the '
            'images, or the file that belongs to them.'
        )

"""LLCM in its official layout."""

import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.protocols import llcm as protocol
from mmgl.protocols.cross import CROSS_MODAL, DIRECTIONS
from mmgl.protocols.split_files import read_id_list, read_text
from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, VISIBLE
from mmgl.utils.errors import ConfigError

from .checks import check_choice, check_disjoint
from .listing import count_images, missing_files
from .reid_dataset import ReIDDataset
from .sources import image_entries
from .types import Results


@DATASETS.register_module()
class LLCM(ReIDDataset):
    """LLCM (Zhang and Wang, CVPR 2023), read from its folders.

    Layout: ``idx/train_vis.txt`` and ``idx/train_nir.txt``, each line an
    image path and a label; ``idx/test_id.txt``; and the test images,
    ``test_{vis,nir}/cam{1..9}/{pid:04d}/``. All cameras but the third take
    images of both modalities.

    Splits: ``train``, with contiguous labels in ascending order of those of
    the lists; ``test`` (query and gallery), ``query``, ``gallery``, with the
    person numbers. ``index`` counts the images of a person, camera and
    modality from 1, in the order of the list or of the file names, as the
    gallery is drawn from them.

    Args:
        data_root: Folder that holds ``idx``.
        split: See above.
        direction: 'infrared_to_visible' (infrared queries) or
            'visible_to_infrared'; decides ``query`` and ``gallery`` only.
        **kwargs: See :class:`ReIDDataset`; ``listing`` is 'disk'.
    """

    SPLITS = ('train', 'test', 'query', 'gallery')

    def __init__(
        self,
        data_root: str,
        split: str,
        direction: str = 'infrared_to_visible',
        **kwargs: Any,
    ) -> None:
        check_choice('LLCM.direction', direction, CROSS_MODAL)
        self.direction = direction
        super().__init__(data_root, split, **kwargs)

    def read_metainfo(self) -> dict[str, Any]:
        """Read the persons of the split; those of the other are others."""
        rows = {m: read_list(self.data_root, m) for m in protocol.FILE_WORDS}
        persons = persons_of(rows)
        test = read_id_list(id_file(self.data_root))
        where = f'LLCM: the training lists and {protocol.TEST_ID_NAME} in'
        check_disjoint(f'{where} {self.data_root!r}', persons.values(), test)
        self._train = self.split == 'train'
        self._lists, self._persons = rows, persons
        self._pids = list(persons.values()) if self._train else test
        pids = self._pids
        return dict(dataset='llcm', num_pids=len(pids), pids=pids)

    def load_data_list(self) -> list[Results]:
        """List the images, visible first; see the class for the order."""
        return self._training() if self._train else self._testing()

    def _training(self) -> list[Results]:
        """List the images of the training lists."""
        labels = {label: i for i, label in enumerate(self._persons)}
        entries = []
        for modality, rows in self._lists.items():
            lost = missing_files(self.data_root, [row.path for row in rows])
            if lost:
                raise FileNotFoundError(
                    f'LLCM: {len(lost)} images of '
                    f'{protocol.list_name("train", modality)} are missing in '
                    f'{self.data_root!r}, such as {lost[0]!r}; restore them, '
                    'or correct data_root.'
                )
            columns = np.array([row[1:3] for row in rows]).T
            for row, index in zip(rows, count_images(*columns), strict=True):
                known = labels[row.label], row.pid, row.camid, modality
                path = row.path.split('/')
                entries.append(self.make_entry(path, *known, int(index)))
        return entries

    def _testing(self) -> list[Results]:
        """List the images in the folders of the test persons."""
        query, gallery = DIRECTIONS[self.direction]
        modalities = {'query': (query,), 'gallery': (gallery,)}.get(
            self.split, (VISIBLE, INFRARED)
        )
        entries = []
        for modality in modalities:
            check_test_folders(self.data_root, modality)
            for pid in self._pids:
                found = person_images(self.data_root, modality, pid)
                for camid, paths in found.items():
                    known = pid, pid, camid, modality
                    entries += [
                        self.make_entry((path,), *known, index)
                        for index, path in enumerate(paths, 1)
                    ]
        return entries


def id_file(data_root: str) -> str:
    """Return the path of the list of the test persons."""
    return osp.join(data_root, protocol.IDX_FOLDER, protocol.TEST_ID_NAME)


def read_list(data_root: str, modality: int) -> list[protocol.LLCMRow]:
    """Read the training list of one modality; ValueError for others."""
    path = osp.join(
        data_root, protocol.IDX_FOLDER, protocol.list_name('train', modality)
    )
    rows = []
    for number, line in enumerate(read_text(Path(path)).splitlines(), 1):
        if not line.strip():
            continue
        row = protocol.read_row(line)
        folder = row.path.split('/')[0] if row else ''
        if row is None or folder != protocol.FILE_WORDS[modality]:
            raise ConfigError(
                f'LLCM: line {number} of {path!r} must be '
                f'"{protocol.FILE_WORDS[modality]}/0001/0001_c01_s000000_f0000_'
                f'{protocol.FILE_WORDS[modality]}.jpg label", got '
                f'{line.strip()[:80]!r}; restore the official file.'
            )
        if row.camid not in protocol.CAMERAS[modality]:
            raise ConfigError(
                f'LLCM: line {number} of {path!r} names camera {row.camid}, '
                f'which takes no such images; restore the official file.'
            )
        rows.append(row)
    if not rows or len({row.path for row in rows}) != len(rows):
        raise ConfigError(
            f'LLCM: {path!r} is empty or names an image twice; restore the '
            'official file.'
        )
    return rows


def persons_of(
    rows: Mapping[int, Sequence[protocol.LLCMRow]],
) -> dict[int, int]:
    """Return label -> person, ascending; ValueError unless one to one."""
    pairs = {(row.label, row.pid) for part in rows.values() for row in part}
    persons = dict(sorted(pairs))
    if not len(pairs) == len(persons) == len(set(persons.values())):
        raise ConfigError(
            'LLCM: labels and persons of the training lists are not one to '
            'one; restore the official files.'
        )
    return persons


def check_test_folders(data_root: str, modality: int) -> None:
    """Raise FileNotFoundError for the first missing camera folder."""
    for camid in protocol.CAMERAS[modality]:
        folder = protocol.camera_folder(modality, camid)
        if not osp.isdir(osp.join(data_root, folder)):
            raise FileNotFoundError(
                f'LLCM: folder {folder} is missing in {data_root!r}; '
                'data_root must hold idx, vis, nir, test_vis and test_nir.'
            )


def person_images(
    data_root: str, modality: int, pid: int
) -> dict[int, list[str]]:
    """List the images by camera; FileNotFoundError if there are none."""
    found = {}
    for camid in protocol.CAMERAS[modality]:
        folder = protocol.camera_folder(modality, camid, pid)
        names = [
            f'{folder}/{name}'
            for name, is_dir in image_entries(osp.join(data_root, folder))
            if not is_dir
        ]
        if names:
            found[camid] = names
    if not found:
        raise FileNotFoundError(
            f'LLCM: test person {pid:04d} has no image in '
            f'test_{protocol.FILE_WORDS[modality]} of {data_root!r}; restore '
            f'the folders, or remove the id from {protocol.TEST_ID_NAME}.'
        )
    return found

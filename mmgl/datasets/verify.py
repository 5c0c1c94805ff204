"""Checks of a data set's folder that say what is wrong and where."""

import os
import os.path as osp
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeVar

from mmgl.protocols.regdb import FILE_WORDS, IDX_FOLDER, TRIALS
from mmgl.protocols.split_files import read_id_list
from mmgl.protocols.sysu import ALL_CAMERAS, CAMERAS
from mmgl.structures import MODALITY_NAMES
from mmgl.utils.images import read_whole_image

from . import sysu_mm01 as sysu
from .checks import check_disjoint
from .regdb import check_labels, index_file, read_index_file
from .reid_dataset import check_root

# Ids of the official split files, and the images that belong to them.
OFFICIAL_SYSU = {
    'train ids': 296,
    'val ids': 99,
    'test ids': 96,
    'trainval visible images': 22258,
    'trainval infrared images': 11909,
    'test infrared images': 3803,
}
# Of each half of each trial.
OFFICIAL_REGDB = {'visible rows': 2060, 'infrared rows': 2060, 'ids': 206}
T = TypeVar('T')


@dataclass
class Report:
    """Counts, problems in a sentence each, and notes, which are no faults."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, function: Callable[..., T], *args: Any) -> T | None:
        """Call a checking function; its error is a problem, and None."""
        try:
            return function(*args)
        except (FileNotFoundError, ValueError) as error:
            self.problems.append(str(error))
            return None

    def compare(self, expected: Mapping[str, int]) -> None:
        """Add a problem for each count that differs from the expected one."""
        for name, number in expected.items():
            if self.counts.get(name) != number:
                self.problems.append(
                    f'{name}: found {self.counts.get(name)}, the official '
                    f'data set has {number}'
                )


def verify_sysu(
    data_root: str, official: bool = False, decode: bool = False
) -> Report:
    """Check ids, cameras, numbering and permutations of SYSU-MM01.

    ``official`` also compares the counts with the real data set's,
    ``decode`` also decodes every image, which finds truncated ones.
    """
    check_root('--root', data_root)
    report = Report()
    report.attempt(sysu.check_camera_folders, data_root, ALL_CAMERAS)
    ids = {
        name: report.attempt(read_id_list, sysu.id_file(data_root, name)) or []
        for name in sysu.ID_NAMES
    }
    for one, other in combinations(ids, 2):
        where = f'exp: {one}_id.txt and {other}_id.txt'
        report.attempt(check_disjoint, where, ids[one], ids[other])
    everyone = set().union(*ids.values())
    permutations = report.attempt(sysu.read_permutations, data_root, everyone)
    counts = report.counts
    for name, pids in ids.items():
        counts[f'{name} ids'] = len(pids)
        _check_sysu_split(report, data_root, name, pids, permutations, decode)
    for name in MODALITY_NAMES:
        counts[f'trainval {name} images'] = (
            counts[f'train {name} images'] + counts[f'val {name} images']
        )
    if official:
        report.compare(OFFICIAL_SYSU)
    return report


def verify_regdb(
    data_root: str,
    official: bool = False,
    decode: bool = False,
    trials: Iterable[int] = TRIALS,
) -> Report:
    """Check split files and images of RegDB; see :func:`verify_sysu`."""
    check_root('--root', osp.join(data_root, IDX_FOLDER))
    report = Report()
    paths: set[str] = set()
    for trial in trials:
        persons = {}
        for half in ('train', 'test'):
            where = f'{half} of trial {trial}'
            rows = {}
            for modality in FILE_WORDS:
                path = index_file(data_root, half, modality, trial)
                its_rows = report.attempt(read_index_file, path, modality)
                if its_rows is not None:
                    rows[modality] = its_rows
            if len(rows) < len(FILE_WORDS):
                continue
            pids = report.attempt(check_labels, rows, where) or []
            persons[half] = pids
            report.counts[f'{where}: ids'] = len(pids)
            for modality, its_rows in rows.items():
                name = f'{where}: {MODALITY_NAMES[modality]} rows'
                report.counts[name] = len(its_rows)
                paths.update(row.path for row in its_rows)
            if official:
                report.compare(
                    {f'{where}: {k}': n for k, n in OFFICIAL_REGDB.items()}
                )
        if len(persons) == 2:
            where = f'idx: train and test of trial {trial}'
            report.attempt(check_disjoint, where, *persons.values())
    report.counts['images named by the split files'] = len(paths)
    check_files(report, data_root, sorted(paths), decode)
    return report


def _check_sysu_split(
    report: Report,
    data_root: str,
    split: str,
    pids: Iterable[int],
    permutations: sysu.Permutations | None,
    decode: bool,
) -> None:
    """Check the folders of one split and count its images."""
    for modality, cameras in CAMERAS.items():
        name = MODALITY_NAMES[modality]
        total = 0
        for pid in pids:
            of_person = 0
            for camid in cameras:
                folder = osp.join(data_root, sysu.person_folder(camid, pid))
                images = (
                    report.attempt(sysu.list_numbered_images, folder) or {}
                )
                of_person += len(images)
                if permutations is not None:
                    place = data_root, permutations, camid, pid
                    report.attempt(sysu.check_numbering, *place, images)
                files = list(images.values())
                _note_strays(report, folder, files)
                check_files(report, folder, files, decode)
            if not of_person:
                report.problems.append(
                    f'person {pid:04d} of {split}_id.txt has no {name} image '
                    f'in any of cameras {cameras}; restore the folders'
                )
            total += of_person
        report.counts[f'{split} {name} images'] = total


def check_files(
    report: Report, folder: str, files: Iterable[str], decode: bool
) -> None:
    """Check that images exist, are not empty and, if asked, decode."""
    for path in (osp.join(folder, file) for file in files):
        if not osp.isfile(path):
            report.problems.append(f'{path}: missing; restore the image')
        elif not osp.getsize(path):
            report.problems.append(f'{path}: empty file; restore the image')
        elif decode:
            report.attempt(read_whole_image, path)


def _note_strays(report: Report, folder: str, files: Iterable[str]) -> None:
    """Note what is left out; what looks like an image is a problem."""
    if not osp.isdir(folder):
        return
    for file in sorted(set(os.listdir(folder)) - set(files)):
        path = osp.join(folder, file)
        is_image = osp.splitext(file)[1].lower() in sysu.IMAGE_SUFFIXES
        if is_image and not file.startswith('.'):
            report.problems.append(
                f'{path}: image without a number for a name, left out; '
                'rename or remove it'
            )
        else:
            report.notes.append(f'{path}: no image, left out')

"""Checks of a data set's folder that say what is wrong and where."""

import os
import os.path as osp
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from PIL import Image

from mmgl.protocols.split_files import read_id_list
from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE

from .regdb import TRIALS, check_labels, index_file, read_index_file
from .sysu_mm01 import (
    ALL_CAMERAS,
    CAMERAS,
    IMAGE_SUFFIXES,
    check_camera_folders,
    check_numbering,
    id_file,
    list_numbered_images,
    permutation_length,
    read_permutations,
)

# Ids of the official split files, and the images that belong to them.
OFFICIAL_SYSU = {
    'train ids': 296,
    'val ids': 99,
    'test ids': 96,
    'trainval visible images': 22258,
    'trainval infrared images': 11909,
    'test infrared images': 3803,
}
OFFICIAL_REGDB = {'ids of each half': 206, 'rows of each file': 2060}


@dataclass
class Report:
    """What a check found.

    Attributes:
        counts: Numbers by name.
        problems: One sentence each, naming the place.
        notes: Remarks that are no fault, such as stray files.
    """

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, function, *args):
        """Call a checking function and turn its error into a problem.

        Args:
            function: Function that raises for what it dislikes.
            *args: Its arguments.

        Returns:
            What it returns, or None after an error.
        """
        try:
            return function(*args)
        except (FileNotFoundError, ValueError) as error:
            self.problems.append(str(error))
            return None

    def compare(self, expected: dict[str, int]) -> None:
        """Add a problem for each count that differs from the expected one.

        Args:
            expected: Numbers by name.
        """
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

    Args:
        data_root: Folder that holds ``cam1`` ... ``cam6`` and ``exp``.
        official: Also compare the counts with the real data set's.
        decode: Also decode every image, which finds truncated ones.

    Returns:
        The report.
    """
    report = Report()
    report.attempt(check_camera_folders, data_root, ALL_CAMERAS)
    ids = {
        name: report.attempt(read_id_list, id_file(data_root, name)) or []
        for name in ('train', 'val', 'test')
    }
    for name, other in (('train', 'val'), ('train', 'test'), ('val', 'test')):
        shared = sorted(set(ids[name]) & set(ids[other]))
        if shared:
            report.problems.append(
                f'exp: {name}_id.txt and {other}_id.txt share the persons '
                f'{shared[:5]}; restore the official files'
            )
    everyone = sorted(set().union(*ids.values()))
    permutations = report.attempt(read_permutations, data_root, everyone)
    for name, pids in ids.items():
        report.counts[f'{name} ids'] = len(pids)
        _check_sysu_split(report, data_root, name, pids, permutations, decode)
    for name in ('visible', 'infrared'):
        report.counts[f'trainval {name} images'] = (
            report.counts[f'train {name} images']
            + report.counts[f'val {name} images']
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
    """Check the split files and images of RegDB.

    Args:
        data_root: Folder that holds ``idx``, ``Visible`` and ``Thermal``.
        official: Also compare the counts with the real data set's.
        decode: Also decode every image, which finds truncated ones.
        trials: Trials to check.

    Returns:
        The report.
    """
    report, paths = Report(), set()
    for trial in trials:
        persons = {}
        for half in ('train', 'test'):
            rows = {
                m: report.attempt(
                    read_index_file, index_file(data_root, half, m, trial)
                )
                for m in (VISIBLE, INFRARED)
            }
            if None in rows.values():
                continue
            where = f'{half} of trial {trial}'
            pids = report.attempt(check_labels, rows, where) or []
            persons[half] = set(pids)
            paths.update(row.path for r in rows.values() for row in r)
            _compare_regdb(report, rows, pids, where, official)
        shared = set.intersection(*persons.values()) if persons else set()
        if len(persons) == 2 and shared:
            report.problems.append(
                f'idx: train and test of trial {trial} share the persons '
                f'{sorted(shared)[:5]}; restore the official files'
            )
    report.counts['images named by the split files'] = len(paths)
    _check_files(
        report, (osp.join(data_root, p) for p in sorted(paths)), decode
    )
    return report


def _check_sysu_split(
    report: Report,
    data_root: str,
    name: str,
    pids: list[int],
    permutations: dict | None,
    decode: bool,
) -> None:
    """Check the folders of one split and count its images."""
    for modality, cameras in CAMERAS.items():
        total = 0
        for pid in pids:
            of_person = 0
            for camid in cameras:
                folder = osp.join(f'cam{camid}', f'{pid:04d}')
                images = (
                    report.attempt(
                        list_numbered_images, osp.join(data_root, folder)
                    )
                    or {}
                )
                of_person += len(images)
                if permutations is not None:
                    report.attempt(
                        check_numbering,
                        data_root,
                        folder,
                        images,
                        permutation_length(permutations, camid, pid),
                    )
                _note_strays(report, osp.join(data_root, folder), images)
                _check_files(
                    report,
                    (
                        osp.join(data_root, folder, file)
                        for file in images.values()
                    ),
                    decode,
                )
            if not of_person:
                report.problems.append(
                    f'person {pid:04d} of {name}_id.txt has no '
                    f'{MODALITY_NAMES[modality]} image in any of '
                    f'cameras {cameras}; restore the folders'
                )
            total += of_person
        report.counts[f'{name} {MODALITY_NAMES[modality]} images'] = total


def _compare_regdb(
    report: Report, rows: dict, pids: list[int], where: str, official: bool
) -> None:
    """Count one half of one trial."""
    for modality, its_rows in rows.items():
        count = len(its_rows)
        report.counts[f'{where}: {MODALITY_NAMES[modality]} rows'] = count
        if official and count != OFFICIAL_REGDB['rows of each file']:
            report.problems.append(
                f'{where}: {count} {MODALITY_NAMES[modality]} rows, the '
                f'official file has {OFFICIAL_REGDB["rows of each file"]}'
            )
    report.counts[f'{where}: ids'] = len(pids)
    if official and len(pids) != OFFICIAL_REGDB['ids of each half']:
        report.problems.append(
            f'{where}: {len(pids)} persons, the official files have '
            f'{OFFICIAL_REGDB["ids of each half"]}'
        )


def _check_files(report: Report, paths: Iterator[str], decode: bool) -> None:
    """Check that images exist, are not empty and, if asked, decode."""
    for path in paths:
        if not osp.isfile(path):
            report.problems.append(f'{path}: missing; restore the image')
        elif not osp.getsize(path):
            report.problems.append(f'{path}: empty file; restore the image')
        elif decode:
            try:
                with Image.open(path) as image:
                    image.load()
            except (OSError, SyntaxError) as error:
                report.problems.append(
                    f'{path}: cannot be decoded ({error}); restore the image'
                )


def _note_strays(report: Report, folder: str, images: dict[int, str]) -> None:
    """Note files of a folder that the data set leaves out.

    A stray that looks like an image is a problem, since it was probably
    meant to be one.
    """
    if not osp.isdir(folder):
        return
    for file in sorted(set(os.listdir(folder)) - set(images.values())):
        path = osp.join(folder, file)
        is_image = osp.splitext(file)[1].lower() in IMAGE_SUFFIXES
        if is_image and not file.startswith('.'):
            report.problems.append(
                f'{path}: image without a number for a name, left out; '
                'rename or remove it'
            )
        else:
            report.notes.append(f'{path}: no image, left out')

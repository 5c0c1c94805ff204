"""Checks of a user's own images that say what is wrong and where."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE

from .listing import SPLIT_WORDS, Listing
from .reid_dataset import check_root
from .reid_table import ReIDTable, read_listing
from .verify import Report, check_files


def verify_own(
    data_root: str, table: str | None = None, decode: bool = False
) -> Report:
    """Check a table, or folders, and images; see :func:`verify_sysu`."""
    check_root('--root', data_root)
    report = Report()
    listing = report.attempt(read_listing, data_root, table)
    if listing is None:
        return report
    _count(report, listing)
    # Any split: it refuses persons in two of them.
    options: dict[str, Any] = dict(table=table, lazy_init=True)
    report.attempt(partial(ReIDTable, data_root, 'train', **options))
    check_files(report, data_root, listing.paths, decode)
    for word in listing.unread:
        report.notes.append(f'column {word!r} of {table} is not read')
    if table is None and (left := _left_out(data_root, listing)):
        report.notes.append(
            f'{len(left)} files of {data_root!r} are not read, such as '
            f'{left[0]!r}'
        )
    return report


def _count(report: Report, listing: Listing) -> None:
    """Count persons and images of each split, and persons of one modality."""
    groups = {'': np.ones(len(listing.paths), dtype=bool)}
    if listing.splits is not None:
        groups = {
            f'{word} ': listing.splits == number
            for number, word in enumerate(SPLIT_WORDS)
        }
    for word, rows in groups.items():
        if not rows.any():
            continue
        if listing.persons is not None:
            people = np.unique(listing.persons[rows])
            report.counts[f'{word}persons'] = len(people)
        for number, name in enumerate(MODALITY_NAMES):
            report.counts[f'{word}{name} images'] = int(
                (listing.modality[rows] == number).sum()
            )
    report.counts['cameras'] = len(np.unique(listing.camids))
    if listing.persons is None:
        report.notes.append('no identities: to train without labels')
        return
    for lacking in (INFRARED, VISIBLE):
        seen = np.unique(listing.persons[listing.modality == lacking])
        alone = np.setdiff1d(listing.persons, seen)
        if len(alone):
            report.notes.append(
                f'{len(alone)} persons have no {MODALITY_NAMES[lacking]} '
                f'image, such as {listing.names[alone[0]]!r}: fine-tuning '
                'leaves them out'
            )
    _note_names(report, listing)


def _note_names(report: Report, listing: Listing) -> None:
    """Note persons and cameras that may mean something else."""
    known: dict[str, str] = {}
    for name in filter(str.isdecimal, listing.names):
        other = known.setdefault(name.lstrip('0'), name)
        if other != name:
            report.notes.append(f'{other!r} and {name!r} are two persons')
            break
    if '-1' in listing.names:
        report.notes.append("'-1' is a person like others, not junk")
    visible, infrared = (
        listing.camids[listing.modality == number]
        for number in (VISIBLE, INFRARED)
    )
    shared = np.intersect1d(visible, infrared)
    if len(shared):
        report.notes.append(
            f'camera {shared[0]} has images of both modalities: by default a '
            'query does not see its own person there (same_camera)'
        )


def _left_out(root: str, listing: Listing) -> list[str]:
    """List the files below a folder that are not read, but hidden ones."""
    read = set(listing.paths)
    files = (
        path.relative_to(root)
        for path in Path(root).rglob('*')
        if path.is_file()
    )
    return sorted(
        str(file)
        for file in files
        if file.as_posix() not in read
        and not any(part.startswith('.') for part in file.parts)
    )

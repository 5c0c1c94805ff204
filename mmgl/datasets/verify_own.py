"""Checks of a user's own images that say what is wrong and where."""

from functools import partial
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

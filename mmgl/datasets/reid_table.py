"""A user's own images, listed by a table or by folders."""

import hashlib
import os.path as osp
import warnings
from typing import Any

import numpy as np

from mmgl.protocols.cross import ROLES
from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, VISIBLE
from mmgl.utils.errors import ConfigError

from .checks import check, check_probability
from .listing import SPLIT_WORDS, Listing, count_images, missing_files
from .reid_dataset import ReIDDataset
from .sources import read_folder, read_table
from .types import Ints, Results

# Split -> the words of its rows.
_ROWS = {
    'train': ('train',),
    'val': ('val',),
    'test': ('test', 'query', 'gallery'),
    'query': ('test', 'query'),
    'gallery': ('test', 'gallery'),
}
_TEST = _ROWS['test']


@DATASETS.register_module()
class ReIDTable(ReIDDataset):
    """Images of a table ``path, pid, camid, modality, split``, or of folders.

    See docs/own_data.md. Without ``table`` the images are those of
    ``[SPLIT/]{visible,infrared}/PERSON/``. Persons may have any names: tests
    number them, by value where all are whole numbers, in the order of their
    names otherwise; ``metainfo['pids']`` has the names of a split. ``index``
    counts the images of a person, camera and modality in the order of the
    table, from 1.

    Args:
        data_root: Folder that relative paths start from.
        split: 'train' and 'val' (labels from 0), 'test' (query and gallery),
            'query', 'gallery'.
        table: CSV or Parquet file, below ``data_root`` or absolute.
        name: Of the data set: persons of equal names in data sets of equal
            names are the same to the check of what a model has seen.
        test_share: Share of the persons that is kept for tests where nothing
            names splits, by a hash of their names; with 0 each split has all
            images. Images without identities are all trained on.
        paired: Leave out persons with images of one modality only, which
            methods with identities cannot train on, and warn how many.
        **kwargs: See :class:`ReIDDataset`.
    """

    SPLITS = SPLIT_WORDS

    def __init__(
        self,
        data_root: str,
        split: str,
        table: str | None = None,
        name: str = 'own',
        test_share: float = 0.5,
        paired: bool = False,
        **kwargs: Any,
    ) -> None:
        check_probability('ReIDTable', test_share=test_share)
        check('ReIDTable.name', name, bool(name), 'a text')
        self.table = table
        self.name = name
        self.test_share = test_share
        self.paired = paired
        super().__init__(data_root, split, **kwargs)

    def read_metainfo(self) -> dict[str, Any]:
        """Read the list of images and choose the rows of the split."""
        self._listing = listing = read_listing(self.data_root, self.table)
        testing = self.split in _TEST
        meta: dict[str, Any] = dict(dataset=self.name)
        self._rows = self._rows_of(testing)
        persons = listing.persons
        if persons is None:
            if testing:
                raise ConfigError(
                    f'ReIDTable: {listing.source!r} has no identities, so '
                    'there is nothing to test; add the column pid, or a '
                    'folder for each person.'
                )
            persons = pids = self._raw_pids = np.full(len(listing.paths), -1)
        else:
            if self.paired:
                self._rows = self._only_paired(persons)
            people = np.unique(persons[self._rows])
            names = [listing.names[person] for person in people]
            meta.update(num_pids=len(names), pids=names)
            pids = self._raw_pids = person_numbers(listing.names)[persons]
            if not testing:
                pids = np.searchsorted(people, persons)
        index = count_images(persons, listing.camids, listing.modality)
        self._columns = pids, listing.camids, listing.modality, index
        if testing and listing.splits is not None:
            roles = np.array(ROLES)[listing.splits]
            meta['roles'] = np.c_[self.labels(), roles[self._rows]]
        return meta

    def _rows_of(self, testing: bool) -> Ints:
        """Rows of the split; no person may be in two."""
        listing = self._listing
        everything = np.arange(len(listing.paths))
        if listing.splits is not None:
            self._check_disjoint()
            words = [SPLIT_WORDS.index(word) for word in _ROWS[self.split]]
            return np.flatnonzero(np.isin(listing.splits, words))
        if listing.persons is None or not self.test_share:
            return everything
        held_out = np.isin(
            listing.persons, persons_to_test(listing.names, self.test_share)
        )
        if self.split == 'val':
            return everything[:0]
        return np.flatnonzero(held_out == testing)

    def _check_disjoint(self) -> None:
        """Refuse a person who is both trained on and tested, or validated."""
        listing = self._listing
        if listing.persons is None or listing.splits is None:
            return
        groups = np.minimum(listing.splits, SPLIT_WORDS.index('test'))
        pairs = np.unique(np.stack([listing.persons, groups], axis=1), axis=0)
        people, counts = np.unique(pairs[:, 0], return_counts=True)
        if (counts > 1).any():
            person = people[counts > 1][0]
            words = [SPLIT_WORDS[g] for g in pairs[pairs[:, 0] == person, 1]]
            raise ConfigError(
                f'ReIDTable: {(counts > 1).sum()} persons of '
                f'{listing.source!r} are in two splits, such as '
                f'{listing.names[person]!r} in {" and ".join(words)}; give '
                'each person one of train, val and test (query, gallery).'
            )

    def _only_paired(self, persons: Ints) -> Ints:
        """Rows of persons who were seen in both modalities."""
        rows, modality = self._rows, self._listing.modality[self._rows]
        visible, infrared = (
            np.unique(persons[rows[modality == m]])
            for m in (VISIBLE, INFRARED)
        )
        both = np.intersect1d(visible, infrared)
        total = len(np.union1d(visible, infrared))
        if len(both) < total:
            warnings.warn(
                f'ReIDTable: {total - len(both)} of {total} persons of split '
                f'{self.split!r} have images of one modality only and are '
                'left out; pre-training uses them.'
            )
        return rows[np.isin(persons[rows], both)]

    def _why_empty(self) -> str:
        """Say why the split has no image."""
        where = f'ReIDTable: split {self.split!r} of {self._listing.source!r}'
        if self.paired and len(self._rows_of(self.split in _TEST)):
            return (
                f'{where} has nobody with images of both modalities, whom '
                'training with identities needs; add some, or train without '
                'labels (label-free_*).'
            )
        return f'{where} has no image; add some, or name another split.'

    def load_data_list(self) -> list[Results]:
        """List the images in the order of the table."""
        listing = self._listing
        if not len(self._rows):
            raise ConfigError(self._why_empty())
        paths = [listing.paths[row] for row in self._rows]
        on_disk = self.listing == 'disk'
        if on_disk and (lost := missing_files(self.data_root, paths)):
            raise FileNotFoundError(
                f'ReIDTable: {len(lost)} of {len(paths)} images of '
                f'{listing.source!r} are missing, such as {lost[0]!r}; '
                f'restore them, or correct data_root={self.data_root!r}.'
            )
        columns = [column[self._rows].tolist() for column in self._columns]
        raw_pids = self._raw_pids[self._rows].tolist()
        return [
            self.make_entry((path,), pid, raw_pid, camid, modality, index)
            for path, raw_pid, pid, camid, modality, index in zip(
                paths, raw_pids, *columns, strict=True
            )
        ]

    def labels(self) -> Ints:
        """Return those of the split without its list; see the base class."""
        return np.stack(self._columns, axis=1)[self._rows]

    def field(self, name: str) -> Ints:
        """Return one of the numbers of every image; see the base class."""
        if self._listing.persons is None and name in ('pid', 'raw_pid'):
            raise ConfigError(
                f'ReIDTable: {self._listing.source!r} has no identities: it '
                'can be pre-trained on, trained on without labels '
                '(label-free_*) and embedded; for other fine-tuning, add the '
                'column pid, or a folder for each person.'
            )
        return super().field(name)


def read_listing(data_root: str, table: str | None) -> Listing:
    """Read the table below a folder, or the folder itself."""
    if table is None:
        return read_folder(data_root)
    return read_table(osp.join(data_root, table), data_root)


def person_numbers(names: list[str]) -> Ints:
    """Numbers of persons: their names where those are, else the order."""
    if all(name.isascii() and name.isdecimal() for name in names):
        values = [int(name) for name in names]
        if len(set(values)) == len(values) and max(values, default=0) < 2**31:
            return np.array(values, dtype=np.int64)
    return np.arange(len(names))


def persons_to_test(names: list[str], share: float) -> list[int]:
    """Choose a share by a hash of names; below 1 some person is left."""
    order = sorted(
        range(len(names)),
        key=lambda i: hashlib.sha256(names[i].encode()).digest(),
    )
    number = max(1, round(share * len(names)))
    return order[: number if share == 1 else min(number, len(names) - 1)]

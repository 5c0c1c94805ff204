"""Lists of images that users give, in columns."""

import os
import os.path as osp
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmgl.structures import MODALITY_NAMES
from mmgl.utils.errors import ConfigError, nearest

from .types import Ints

COLUMNS = ('path', 'pid', 'camid', 'modality', 'split')
SPLIT_WORDS = ('train', 'val', 'test', 'query', 'gallery')
# What programs write for a cell without a value.
MISSING = frozenset(('', 'nan', 'NaN', 'None', 'null', 'NULL', '<NA>'))
MAX_NAME = 200
CHOICES: Mapping[str, Mapping[str, int]] = dict(
    modality={
        word: i
        for i, name in enumerate(MODALITY_NAMES)
        for word in (name, str(i))
    },
    split={word: i for i, word in enumerate(SPLIT_WORDS)},
)


@dataclass
class Listing:
    """Images in the order of their source."""

    source: str
    paths: list[str]  # below the root or absolute
    modality: Ints
    camids: Ints  # without cameras each modality is one: 1 and 2
    names: list[str]
    persons: Ints | None = None  # numbers of names
    splits: Ints | None = None  # numbers of SPLIT_WORDS
    unread: list[str] = field(default_factory=list)  # columns


class Column:
    """One column: texts to numbers, each distinct text judged once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.known: dict[str, int] = {}
        self.numbers = array('q')
        # Persons are numbered as they appear.
        self.people: dict[str, int] = {}

    def add(self, text: str, where: str) -> None:
        """Append the number of a cell; ``where`` names it in errors."""
        number = self.known.get(text)
        if number is None:
            number = self.known[text] = self._judge(text.strip(), where)
        self.numbers.append(number)

    def _judge(self, text: str, where: str) -> int:
        """Return the number that a text stands for."""
        if text in MISSING:
            raise ConfigError(
                f'{where} has no {self.name}; fill the cell or leave the row '
                'out.'
            )
        # 7.0 is how some programs write 7.
        whole = re.fullmatch(r'([0-9]+)(\.0+)?', text)
        if self.name == 'pid':
            if len(text) > MAX_NAME:
                raise ConfigError(
                    f'{where}: a pid has at most {MAX_NAME} characters.'
                )
            person = whole[1] if whole else text
            return self.people.setdefault(person, len(self.people))
        if self.name == 'camid':
            if not whole or len(whole[1]) > 9:
                raise ConfigError(
                    f'{where}: camid must be a whole number from 0, got '
                    f'{text[:40]!r}; number the cameras.'
                )
            return int(whole[1])
        choices = CHOICES[self.name]
        if text not in choices:
            words = ', '.join(w for w in choices if not w.isdigit())
            raise ConfigError(
                f'{where}: {self.name} must be one of {words}, got '
                f'{text[:40]!r}{nearest(text, choices)}.'
            )
        return choices[text]


def make_columns(names: Iterable[str]) -> dict[str, Column]:
    """Begin the columns of some names, but for paths."""
    return {name: Column(name) for name in names if name != 'path'}


def make_listing(
    source: str,
    paths: list[str],
    columns: Mapping[str, Column],
    unread: Sequence[str] = (),
) -> Listing:
    """Put columns together; persons get numbers in the order of names."""
    values = {
        name: np.array(column.numbers, dtype=np.int64)
        for name, column in columns.items()
    }
    names: list[str] = []
    if 'pid' in columns:
        found = list(columns['pid'].people)
        order = sorted(range(len(found)), key=lambda i: _natural(found[i]))
        names = [found[i] for i in order]
        values['pid'] = np.argsort(order)[values['pid']]
    return Listing(
        source,
        paths,
        values['modality'],
        values.get('camid', values['modality'] + 1),
        names,
        values.get('pid'),
        values.get('split'),
        list(unread),
    )


def _natural(name: str) -> tuple[int, str]:
    """Order numbers by value, before other names."""
    digits = name.isascii() and name.isdecimal()
    return (int(name) if digits else 2**63, name)


def missing_files(root: str, paths: Iterable[str]) -> list[str]:
    """Images that are not there; each folder is listed once."""
    folders: dict[str, Any] = {}
    lost = []
    for path in paths:
        folder, name = osp.split(osp.join(root, path))
        if folder not in folders:
            folders[folder] = (
                set(os.listdir(folder)) if osp.isdir(folder) else ()
            )
        if name not in folders[folder]:
            lost.append(path)
    return lost


def count_images(*columns: Ints) -> Ints:
    """Count the rows of equal values from 1, in their order."""
    _, group = np.unique(np.stack(columns), axis=1, return_inverse=True)
    group = group.ravel()
    order = np.argsort(group, kind='stable')
    starts = np.searchsorted(group[order], group[order])
    counts = np.empty(len(group), dtype=np.int64)
    counts[order] = np.arange(len(group)) - starts + 1
    return counts

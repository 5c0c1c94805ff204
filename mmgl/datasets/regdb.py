"""RegDB in its official layout."""

import os.path as osp
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmgl.protocols.regdb import (
    DIRECTIONS,
    FILE_WORDS,
    IDX_FOLDER,
    TRIALS,
    split_file_name,
)
from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, VISIBLE

from .checks import check, check_choice
from .reid_dataset import ReIDDataset
from .types import Results


class RegDBRow(NamedTuple):
    """One line of a split file: path below the root, label, person."""

    path: str
    label: int
    raw_pid: int


@DATASETS.register_module()
class RegDB(ReIDDataset):
    """RegDB (Nguyen et al., Sensors 2017) with the ten official splits.

    Layout: ``idx/{train,test}_{visible,thermal}_{1..10}.txt``, each line an
    image path and a label, and the images they name. Labels are those of the
    files, contiguous from 0 in both halves: equal labels of two trials, or
    of train and test, are different persons. Visible images have camera 1,
    infrared (thermal) ones camera 2; ``index`` counts the images of one
    label and modality in the order of the file, from 1.

    Splits: ``train``, ``test`` (query and gallery), ``query``, ``gallery``.
    ``metainfo['pids'][label]`` is the person number of the data set.

    Args:
        data_root: Folder that holds ``idx``, ``Visible`` and ``Thermal``.
        split: See above.
        trial: Number of the split, 1 to 10. A model must be tested on the
            trial it was trained on.
        direction: 'visible_to_infrared' (visible queries) or
            'infrared_to_visible'; decides ``query`` and ``gallery`` only.
        **kwargs: See :class:`ReIDDataset`.
    """

    SPLITS = ('train', 'test', 'query', 'gallery')

    def __init__(
        self,
        data_root: str,
        split: str,
        trial: int = 1,
        direction: str = 'visible_to_infrared',
        **kwargs: Any,
    ) -> None:
        rule = 'a whole number from 1 to 10'
        check('RegDB.trial', trial, trial in TRIALS, rule)
        check_choice('RegDB.direction', direction, DIRECTIONS)
        self.trial = int(trial)
        self.direction = direction
        super().__init__(data_root, split, **kwargs)

    def read_metainfo(self) -> dict[str, Any]:
        """Read the two split files of the trial."""
        half = 'train' if self.split == 'train' else 'test'
        self._rows = {
            modality: read_index_file(
                index_file(self.data_root, half, modality, self.trial)
            )
            for modality in FILE_WORDS
        }
        pids = check_labels(self._rows, f'{half} of trial {self.trial}')
        return dict(
            dataset='regdb',
            split=self.split,
            trial=self.trial,
            direction=self.direction,
            num_pids=len(pids),
            pids=pids,
        )

    def load_data_list(self) -> list[Results]:
        """List the images in the order of the files, visible first."""
        query, gallery = DIRECTIONS[self.direction]
        modalities = {'query': (query,), 'gallery': (gallery,)}.get(
            self.split, (VISIBLE, INFRARED)
        )
        entries = []
        for modality in modalities:
            counts: Counter[int] = Counter()
            for row in self._rows[modality]:
                counts[row.label] += 1
                known = row.label, row.raw_pid, modality + 1, modality
                path, index = row.path.split('/'), counts[row.label]
                entries.append(self.make_entry(path, *known, index))
        if self.listing == 'disk':
            for entry in entries:
                if not osp.isfile(entry['img_path']):
                    raise FileNotFoundError(
                        f'RegDB: image {entry["img_path"]!r}, named by the '
                        f'split files of trial {self.trial}, is missing; '
                        'restore it, or correct data_root.'
                    )
        return entries


def index_file(data_root: str, half: str, modality: int, trial: int) -> str:
    """Return the path of the split file of 'train' or 'test'."""
    return osp.join(
        data_root, IDX_FOLDER, split_file_name(half, modality, trial)
    )


def read_index_file(path: str) -> list[RegDBRow]:
    """Read one split file: lines of an image path and a label.

    A broken line, an image named twice or an empty file is a ValueError.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'RegDB: split file {path!r} is missing; copy the idx folder of '
            'the official data set there.'
        )
    rows = []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            words = line.replace('\\', '/').split()
            if not words:
                continue
            folder = osp.basename(osp.dirname(words[0]))
            label = ' '.join(words[1:])
            if not label.isdecimal() or not folder.isdecimal():
                raise ValueError(
                    f'RegDB: line {number} of {path!r} must be '
                    f'"Folder/person/image.bmp label", got {line.strip()!r}; '
                    'restore the official file.'
                )
            rows.append(RegDBRow(words[0], int(label), int(folder)))
    if not rows or len({row.path for row in rows}) != len(rows):
        raise ValueError(
            f'RegDB: {path!r} is empty or names an image twice; restore the '
            'official file.'
        )
    return rows


def check_labels(
    rows: Mapping[int, Sequence[RegDBRow]], where: str
) -> list[int]:
    """Return the person of each label of the visible and infrared rows.

    Labels with gaps or of several persons, and modalities that disagree, are
    a ValueError.
    """
    persons = {
        modality: {(row.label, row.raw_pid) for row in its_rows}
        for modality, its_rows in rows.items()
    }
    for modality, pairs in persons.items():
        if sorted(label for label, _ in pairs) != list(range(len(pairs))):
            raise ValueError(
                f'RegDB: the {FILE_WORDS[modality]} labels of {where} are '
                'not contiguous from 0 with one person each; restore the '
                'official files.'
            )
    differing = persons[VISIBLE] ^ persons[INFRARED]
    if differing:
        labels = sorted({label for label, _ in differing})
        raise ValueError(
            f'RegDB: visible and thermal files of {where} disagree about the '
            f'persons of labels {labels[:5]}; restore the official files.'
        )
    return [pid for _, pid in sorted(persons[VISIBLE])]

"""RegDB in its official layout."""

import os.path as osp
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmgl.protocols.cross import CROSS_MODAL, DIRECTIONS
from mmgl.protocols.regdb import (
    FILE_WORDS,
    IDX_FOLDER,
    TRIALS,
    split_file_name,
)
from mmgl.protocols.split_files import read_text
from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, VISIBLE
from mmgl.utils.errors import ConfigError

from .checks import check, check_choice, check_disjoint
from .reid_dataset import ReIDDataset
from .types import Results

ROW = re.compile(
    r'\s*(?P<path>\S+/(?P<pid>[0-9]{1,6})/[^/\s]+)\s+'
    r'(?P<label>[0-9]{1,6})\s*'
)


class RegDBRow(NamedTuple):
    """One line of a split file; ``path`` is below the root."""

    path: str
    label: int
    raw_pid: int


@DATASETS.register_module()
class RegDB(ReIDDataset):
    """RegDB (Nguyen et al., Sensors 2017) with the ten official splits.

    Layout: ``idx/{train,test}_{visible,thermal}_{1..10}.txt``, each line an
    image path and a label, and the images they name. Equal labels of two
    trials, or of train and test, are different persons. Visible images have
    camera 1, infrared (thermal) ones camera 2; ``index`` counts the images of
    one label and modality in the order of the file, from 1.

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
        fits = type(trial) is int and trial in TRIALS
        check('RegDB.trial', trial, fits, 'a whole number from 1 to 10')
        check_choice('RegDB.direction', direction, CROSS_MODAL)
        self.trial = trial
        self.direction = direction
        super().__init__(data_root, split, **kwargs)

    def read_metainfo(self) -> dict[str, Any]:
        """Read the two split files of the trial."""
        root, trial = self.data_root, self.trial
        half, other = 'train', 'test'
        if self.split != 'train':
            half, other = other, half
        self._rows = read_half(root, half, trial)
        pids = check_labels(self._rows, f'{half} of trial {trial}')
        files = [index_file(root, other, m, trial) for m in FILE_WORDS]
        if all(map(osp.exists, files)):
            rows = read_half(root, other, trial).values()
            where = f'RegDB: train and test of trial {trial} in {root!r}'
            theirs = (row.raw_pid for part in rows for row in part)
            check_disjoint(where, pids, theirs)
        return dict(
            dataset='regdb',
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


def read_half(
    data_root: str, half: str, trial: int
) -> dict[int, list[RegDBRow]]:
    """Read the visible and the infrared rows of 'train' or 'test'."""
    return {
        modality: read_index_file(
            index_file(data_root, half, modality, trial), modality
        )
        for modality in FILE_WORDS
    }


def read_index_file(path: str, modality: int) -> list[RegDBRow]:
    """Read a split file; ValueError for what is not as official."""
    wrong = FILE_WORDS[INFRARED if modality == VISIBLE else VISIBLE]
    rows = []
    for number, line in enumerate(read_text(Path(path)).splitlines(), 1):
        if not line.strip():
            continue
        found = ROW.fullmatch(line.replace('\\', '/'))
        if not found or {'', '.', '..'} & set(found['path'].split('/')):
            raise ConfigError(
                f'RegDB: line {number} of {path!r} must be '
                f'"Folder/person/image.bmp label", got {line.strip()[:80]!r}; '
                'restore the official file.'
            )
        if wrong in found['path'].lower().split('/')[:-2]:
            raise ConfigError(
                f'RegDB: line {number} of {path!r} names a {wrong} image, '
                f'{found["path"]!r}: the files of the two modalities are '
                'exchanged; restore the official ones.'
            )
        numbers = int(found['label']), int(found['pid'])
        rows.append(RegDBRow(found['path'], *numbers))
    if not rows or len({row.path for row in rows}) != len(rows):
        raise ConfigError(
            f'RegDB: {path!r} is empty or names an image twice; restore the '
            'official file.'
        )
    return rows


def check_labels(
    rows: Mapping[int, Sequence[RegDBRow]], where: str
) -> list[int]:
    """Return the person of each label; ValueError unless one to one."""
    persons = {
        modality: {(row.label, row.raw_pid) for row in its_rows}
        for modality, its_rows in rows.items()
    }
    for modality, pairs in persons.items():
        if sorted(label for label, _ in pairs) != list(range(len(pairs))):
            raise ConfigError(
                f'RegDB: the {FILE_WORDS[modality]} labels of {where} are '
                'not contiguous from 0 with one person each; restore the '
                'official files.'
            )
    differing = persons[VISIBLE] ^ persons[INFRARED]
    if differing:
        labels = sorted({label for label, _ in differing})
        raise ConfigError(
            f'RegDB: visible and thermal files of {where} disagree about the '
            f'persons of labels {labels[:5]}; restore the official files.'
        )
    return [pid for _, pid in sorted(persons[VISIBLE])]

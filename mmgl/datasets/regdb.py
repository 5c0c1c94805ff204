"""RegDB in its official layout."""

import os.path as osp
from collections import Counter
from typing import NamedTuple

from mmgl.protocols.regdb import (
    DIRECTIONS,
    FILE_WORDS,
    IDX_FOLDER,
    TRIALS,
    split_file_name,
)
from mmgl.registry import DATASETS
from mmgl.structures import INFRARED, VISIBLE

from .reid_dataset import ReIDDataset


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
        **kwargs,
    ) -> None:
        if trial not in TRIALS:
            raise ValueError(
                f'RegDB.trial must be a whole number from 1 to 10; got '
                f'{trial!r}'
            )
        if direction not in DIRECTIONS:
            raise ValueError(
                f'RegDB.direction must be one of {", ".join(DIRECTIONS)}; '
                f'got {direction!r}'
            )
        self.trial = int(trial)
        self.direction = direction
        super().__init__(data_root, split, **kwargs)

    def read_metainfo(self) -> dict:
        """Read the two split files of the trial."""
        half = 'train' if self.split == 'train' else 'test'
        self._rows = {
            modality: read_index_file(
                index_file(self.data_root, half, modality, self.trial)
            )
            for modality in (VISIBLE, INFRARED)
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

    def load_data_list(self) -> list[dict]:
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
                entries.append(
                    self.make_entry(
                        row.path.split('/'),
                        pid=row.label,
                        raw_pid=row.raw_pid,
                        camid=modality + 1,
                        modality=modality,
                        index=counts[row.label],
                    )
                )
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
    """Return the path of one split file.

    Args:
        data_root: Folder of the data set.
        half: 'train' or 'test'.
        modality: 0 visible, 1 infrared.
        trial: 1 to 10.

    Returns:
        The path.
    """
    return osp.join(
        data_root, IDX_FOLDER, split_file_name(half, modality, trial)
    )


def read_index_file(path: str) -> list[RegDBRow]:
    """Read one split file: lines of an image path and a label.

    Args:
        path: The file.

    Returns:
        Its rows in order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: For a broken line, an image named twice or an empty file.
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
            parts = words[0].split('/')
            if (
                len(words) != 2
                or not words[1].isdecimal()
                or len(parts) < 2
                or not parts[-2].isdecimal()
            ):
                raise ValueError(
                    f'RegDB: line {number} of {path!r} must be '
                    f'"Folder/person/image.bmp label", got {line.strip()!r}; '
                    'restore the official file.'
                )
            rows.append(RegDBRow(words[0], int(words[1]), int(parts[-2])))
    if not rows or len({row.path for row in rows}) != len(rows):
        raise ValueError(
            f'RegDB: {path!r} is empty or names an image twice; restore the '
            'official file.'
        )
    return rows


def check_labels(rows: dict[int, list[RegDBRow]], where: str) -> list[int]:
    """Check that both modalities name the same persons with the same labels.

    Args:
        rows: Rows of the visible and the infrared file.
        where: Which files these are, for the message.

    Returns:
        Person number of each label; labels are contiguous from 0.

    Raises:
        ValueError: If labels have gaps or disagree.
    """
    maps = {}
    for modality, its_rows in rows.items():
        pairs = {(row.label, row.raw_pid) for row in its_rows}
        maps[modality] = dict(pairs)
        if len(maps[modality]) != len(pairs) or sorted(maps[modality]) != list(
            range(len(pairs))
        ):
            raise ValueError(
                f'RegDB: the {FILE_WORDS[modality]} labels of {where} are '
                'not contiguous from 0 with one person each; restore the '
                'official files.'
            )
    if maps[VISIBLE] != maps[INFRARED]:
        differing = sorted(
            {
                label
                for label, _ in maps[VISIBLE].items() ^ maps[INFRARED].items()
            }
        )
        raise ValueError(
            f'RegDB: visible and thermal files of {where} disagree about the '
            f'persons of labels {differing[:5]}; restore the official files.'
        )
    return [maps[VISIBLE][label] for label in range(len(maps[VISIBLE]))]

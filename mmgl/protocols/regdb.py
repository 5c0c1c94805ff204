"""RegDB (Nguyen et al., Sensors 2017): trials, directions, split files."""

import numpy as np
import numpy.typing as npt

from .modality import INFRARED, MODALITY_NAMES, VISIBLE

TRIALS = range(1, 11)
# Labels in both modalities, and images, of the test half of a trial.
OFFICIAL_SIZE = 2 * 206, 2 * 2060
IDX_FOLDER = 'idx'
# What the files of the data set call the modalities.
FILE_WORDS = {VISIBLE: 'visible', INFRARED: 'thermal'}
# Name -> modality of the queries, of the gallery.
DIRECTIONS = {
    'visible_to_infrared': (VISIBLE, INFRARED),
    'infrared_to_visible': (INFRARED, VISIBLE),
}

Rows = npt.NDArray[np.intp]


def split_file_name(half: str, modality: int, trial: int) -> str:
    """Name the file in ``idx`` of one half ('train', 'test') of a trial."""
    return f'{half}_{FILE_WORDS[modality]}_{trial}.txt'


def regdb_directions(modality: npt.ArrayLike) -> dict[str, tuple[Rows, Rows]]:
    """Give the rows of queries and of the gallery of both directions."""
    modality = np.asarray(modality)
    rows = {one: np.flatnonzero(modality == one) for one in FILE_WORDS}
    if not all(map(len, rows.values())):
        found = ' and '.join(
            f'{len(rows[number])} {name}'
            for number, name in enumerate(MODALITY_NAMES)
        )
        raise ValueError(f'RegDB needs both modalities; found {found} images.')
    return {
        name: (rows[query], rows[gallery])
        for name, (query, gallery) in DIRECTIONS.items()
    }

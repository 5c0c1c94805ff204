"""A small data set of one's own: drawn people as a table and as folders."""

import csv
import shutil
from pathlib import Path

import pytest

from mmgl.protocols.modality import MODALITY_NAMES

HEADER = ('path', 'pid', 'camid', 'modality', 'split')


@pytest.fixture(scope='session')
def tiny_table(tiny_sysu, tmp_path_factory):
    """Write a table of the people in ``tiny_sysu``, elsewhere."""
    folder = tmp_path_factory.mktemp('tables')
    return str(write_table(folder / 'people.csv', rows_of(tiny_sysu)))


def rows_of(root, persons=None, cameras=(2, 3, 4, 6), most=4):
    """Rows of the drawn people, who have names in place of numbers."""
    from mmgl.datasets import SYSUMM01

    rows = []
    for split in ('trainval', 'test'):
        data = SYSUMM01(str(root), split)
        for i in range(len(data)):
            entry = data.get_data_info(i)
            if entry['camid'] in cameras and entry['index'] <= most:
                path = Path(entry['img_path']).relative_to(root)
                rows.append(
                    (
                        str(path),
                        f'person {entry["raw_pid"]}',
                        entry['camid'],
                        MODALITY_NAMES[entry['modality']],
                        split.removesuffix('val'),
                    )
                )
    names = sorted({row[1] for row in rows})[:persons]
    return [row for row in rows if row[1] in names]


def write_table(path, rows, header=HEADER):
    """Write a CSV file."""
    with open(path, 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_folders(root, source, rows, splits=False):
    """Copy images to ``[SPLIT/]MODALITY/PERSON/``."""
    for path, person, camid, modality, split in rows:
        folder = root / split if splits else root
        folder = folder / modality / person
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / path, folder / f'{camid}_{Path(path).name}')
    return root

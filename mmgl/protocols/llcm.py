"""LLCM (Zhang and Wang, CVPR 2023): cameras, files, its search.

Nine cameras, each of which takes visible images by day and, but for the
third, infrared ones by night. Public code, by which figures are published
(github.com/ZYK100/LLCM), reads the training lists in ``idx`` and the test
images by folder.
"""

import re
from typing import Any, NamedTuple

from .cross import CROSS_MODAL
from .modality import INFRARED, VISIBLE

ALL_CAMERAS = tuple(range(1, 10))
CAMERAS = {VISIBLE: ALL_CAMERAS, INFRARED: (1, 2, 4, 5, 6, 7, 8, 9)}
IDX_FOLDER = 'idx'
TEST_ID_NAME = 'test_id.txt'
# What files and folders of the data set call the modalities.
FILE_WORDS = {VISIBLE: 'vis', INFRARED: 'nir'}
# Of the paper and of the public code.
OFFICIAL_IDS = {'train': 713, 'test': 351}
OFFICIAL_IMAGES = 46767
# Queries are all images of a modality. The gallery of a trial is one image of
# each person and camera of the other, without the query's person under its
# own camera; CMC counts persons.
SEARCH: dict[str, Any] = dict(
    directions=CROSS_MODAL,
    same_camera='ignore_person',
    shots=(1,),
    trials=10,
    cmc='unique_identity',
)
# What the public test of 'visible to infrared' measures: each trial's drawn
# infrared images are queries, and all visible ones are the gallery.
PUBLISHED_REVERSE = 'visible_to_infrared_published'
_ROW = re.compile(
    r'(?P<path>\S+/(?P<pid>[0-9]{1,4})/[^/\s]*?_c(?P<camid>[0-9]{1,2})_[^/\s]*)'
    r'\s+(?P<label>[0-9]{1,6})'
)


class LLCMRow(NamedTuple):
    """One line of a list; ``path`` is below the root."""

    path: str
    pid: int
    camid: int
    label: int


def list_name(half: str, modality: int) -> str:
    """Name the list in ``idx`` of 'train' or 'test'."""
    return f'{half}_{FILE_WORDS[modality]}.txt'


def camera_folder(modality: int, camid: int, pid: int | None = None) -> str:
    """Name the folder of a test camera, or of a person there."""
    folder = f'test_{FILE_WORDS[modality]}/cam{camid}'
    return folder if pid is None else f'{folder}/{pid:04d}'


def read_row(line: str) -> LLCMRow | None:
    """Read ``vis/0001/0001_c04_s185535_f7010_vis.jpg 0``; None if it is not.

    Person and camera are those of the file's name and folder.
    """
    found = _ROW.fullmatch(line.strip().replace('\\', '/'))
    if not found or {'', '.', '..'} & set(found['path'].split('/')):
        return None
    numbers = (int(found[name]) for name in ('pid', 'camid', 'label'))
    return LLCMRow(found['path'], *numbers)

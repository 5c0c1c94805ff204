"""SYSU-MM01 (Wu et al., ICCV 2017): cameras, places, files of its split.

Queries are all infrared images of the test identities, in both modes; the
gallery of a trial has 1 or 10 images of each identity under each visible
camera of the mode.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from .modality import INFRARED, VISIBLE

CAMERAS = {VISIBLE: (1, 2, 4, 5), INFRARED: (3, 6)}
VISIBLE_CAMERAS, INFRARED_CAMERAS = CAMERAS[VISIBLE], CAMERAS[INFRARED]
ALL_CAMERAS = (1, 2, 3, 4, 5, 6)
GALLERY_CAMERAS = {'all': VISIBLE_CAMERAS, 'indoor': (1, 2)}
# Cameras 2 and 3 stand in the same place: a query of camera 3 ignores all of
# camera 2, of any person.
LOCATIONS = {1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6}
TRIALS = 10
# Split -> the id files its persons stand in.
ID_FILES = {
    'train': ('train',),
    'val': ('val',),
    'trainval': ('train', 'val'),
    'query': ('test',),
    'gallery': ('test',),
    'test': ('test',),
    'val_test': ('val',),
}
EXP_FOLDER = 'exp'
RAND_PERM_NAME = 'rand_perm_cam.mat'


def id_file_name(split: str, suffix: str = '.txt') -> str:
    """Name the file in ``exp`` with the ids of 'train', 'val' or 'test'."""
    return f'{split}_id{suffix}'


def sysu_locations(camids: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Map cameras 1 to 6 to places: camera 3 stands where camera 2 stands."""
    camids = np.asarray(camids)
    unknown = sorted(set(np.unique(camids).tolist()) - set(LOCATIONS))
    if unknown:
        raise ValueError(
            f'camid {unknown} is not a SYSU-MM01 camera; give 1 to 6.'
        )
    places = np.zeros(max(LOCATIONS) + 1, dtype=np.int64)
    places[list(LOCATIONS)] = list(LOCATIONS.values())
    return places[camids.astype(np.int64)]


def sysu_modality(camids: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Give the modality of cameras: 3 and 6 are infrared."""
    return np.isin(camids, INFRARED_CAMERAS).astype(np.int64)


def find_split_files(data_root: str | Path) -> tuple[Path, Path]:
    """Find the list of test ids (.mat, else .txt) and the permutations.

    ``data_root`` holds ``exp``, or is ``exp`` or any folder with the files.
    """
    for folder in (Path(data_root) / EXP_FOLDER, Path(data_root)):
        permutations = folder / RAND_PERM_NAME
        for suffix in ('.mat', '.txt'):
            ids = folder / id_file_name('test', suffix)
            if permutations.is_file() and ids.is_file():
                return ids, permutations
    raise FileNotFoundError(
        f'{data_root} has no {RAND_PERM_NAME} together with test_id.mat or '
        'test_id.txt, neither in exp/ nor directly; give the root of '
        'SYSU-MM01.'
    )

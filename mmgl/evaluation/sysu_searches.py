"""The galleries of a report of SYSU-MM01, out of one pool of images."""

from collections.abc import Collection, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from mmgl.protocols import galleries
from mmgl.protocols.sysu import GALLERY_CAMERAS

from .labels import Labels
from .ranking import check_choice


def check_searches(
    modes: Sequence[str], shots: Sequence[int], trials: int
) -> None:
    """Check which galleries of SYSU-MM01 are drawn."""
    if isinstance(modes, str) or not set(modes) <= set(GALLERY_CAMERAS):
        raise ValueError(
            f'modes={modes!r}; choose from {tuple(GALLERY_CAMERAS)}.'
        )
    if not modes or not shots or min(shots) < 1 or trials < 1:
        raise ValueError(
            f'modes={modes!r}, shots={shots!r}, trials={trials!r}; give at '
            'least one mode, and shots and trials of 1 or more.'
        )


def sysu_galleries(
    pids: Labels,
    camids: Labels,
    index: Labels,
    rand_perm_cam: galleries.Permutations | None,
    modes: Sequence[str],
    shots: Sequence[int],
    trials: int,
    draw: str,
) -> dict[tuple[str, int, int], npt.NDArray[np.intp]]:
    """Draw all galleries: (mode, shots, trial) -> rows, in gallery order."""
    check_searches(modes, shots, trials)
    check_choice('draw', draw, galleries.DRAWS)
    if draw == 'official' and rand_perm_cam is None:
        raise ValueError(
            "draw='official' needs rand_perm_cam; read it with "
            "load_rand_perm_cam, or choose draw='random_seeded'."
        )
    images = galleries.group_images(pids, camids, index)
    keys = zip(camids.tolist(), pids.tolist(), index.tolist(), strict=True)
    row_of = {key: row for row, key in enumerate(keys)}
    result = {}
    for mode, shot, trial in product(modes, shots, range(trials)):
        args = (images, GALLERY_CAMERAS[mode], shot, trial)
        if draw == 'official' and rand_perm_cam is not None:
            drawn = galleries.official_gallery(rand_perm_cam, *args)
        else:
            drawn = galleries.random_seeded_gallery(*args)
        result[mode, shot, trial] = np.array(
            [row_of[tuple(key)] for key in drawn.tolist()], dtype=np.intp
        )
    return result


def pool_of(
    drawn: Collection[npt.NDArray[np.intp]],
    people: Labels,
    cameras: Labels,
    numbers: Labels,
    draw: str,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """All images that galleries use, in their order, and which uses which."""
    pool = np.unique(np.concatenate(list(drawn)))
    if not len(pool):
        raise ValueError(
            'every gallery is empty: no image of cameras 1, 2, 4, 5.'
        )
    order = galleries.gallery_order(
        cameras[pool], people[pool], numbers[pool], draw
    )
    pool = pool[order]
    return pool, np.array([np.isin(pool, rows) for rows in drawn])

"""A search of one's own: who is a query, who is in the gallery.

Directions, the rule for images of the query's own camera, and draws of
galleries as those of SYSU-MM01 (``galleries``), for any cameras.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .galleries import group_images, random_seeded_gallery
from .modality import MODALITY_NAMES

# Name -> modality of the queries, of the gallery.
DIRECTIONS = {
    f'{query}_to_{gallery}': (q, g)
    for q, query in enumerate(MODALITY_NAMES)
    for g, gallery in enumerate(MODALITY_NAMES)
}
CROSS_MODAL = ('visible_to_infrared', 'infrared_to_visible')
# What a query does not see: images of its own person under its own camera,
# all images of its own camera, or nothing.
SAME_CAMERA = ('ignore_person', 'ignore_all', 'keep')
# May be query and gallery image, only the one, only the other; by the words
# train, val, test, query, gallery of a table.
BOTH, QUERY, GALLERY = 0, 1, 2
ROLES = (BOTH, BOTH, BOTH, QUERY, GALLERY)

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]


def check_search(
    directions: Sequence[str] | None,
    same_camera: str,
    shots: Sequence[int],
    trials: int,
) -> None:
    """Check the settings of a search; the error names the right ones."""
    if isinstance(directions, str) or directions == []:
        raise ValueError(
            f'directions={directions!r}; give a list of {tuple(DIRECTIONS)}.'
        )
    directions = directions or ()
    for name in directions:
        if name not in DIRECTIONS:
            raise ValueError(
                f'directions has {name!r}; choose from {tuple(DIRECTIONS)}.'
            )
    if same_camera not in SAME_CAMERA:
        raise ValueError(
            f'same_camera={same_camera!r}; choose from {SAME_CAMERA}.'
        )
    alike = [name for name in directions if len(set(DIRECTIONS[name])) == 1]
    if alike and same_camera == 'keep':
        raise ValueError(
            f"same_camera='keep' in {alike[0]}: a query would find itself; "
            f'choose {" or ".join(SAME_CAMERA[:2])}.'
        )
    if not shots or min(shots) < 0 or trials < 1:
        raise ValueError(
            f'shots={shots!r}, trials={trials!r}; give numbers of gallery '
            'images of each person and camera, 0 for all, and 1 trial or '
            'more.'
        )


def find_roles(labels: Ints, roles: Ints | None) -> Ints | None:
    """Give the role of each image (n, 4): pid, camid, modality, index.

    ``roles`` has these and the role, (m, 5); others are both.
    """
    if roles is None:
        return None
    known = {tuple(row[:4]): row[4] for row in np.asarray(roles).tolist()}
    found = [known.get(tuple(row), BOTH) for row in labels.tolist()]
    return np.array(found, dtype=np.int64)


def sides(
    directions: Sequence[str] | None, modality: Ints, role: Ints
) -> dict[str, tuple[Rows, Rows]]:
    """Give the rows of the queries and of the gallery of directions.

    None are the two between the modalities, as far as both sides are there.
    """
    found, empty = {}, []
    for name in directions or CROSS_MODAL:
        query, gallery = DIRECTIONS[name]
        queries = np.flatnonzero((modality == query) & (role != GALLERY))
        images = np.flatnonzero((modality == gallery) & (role != QUERY))
        if len(queries) and len(images):
            found[name] = queries, images
        else:
            empty.append(
                f'{name} has {len(queries)} queries and {len(images)} gallery '
                'images'
            )
    if empty and (directions or not found):
        raise ValueError(f'{"; ".join(empty)}: a search needs both.')
    return found


def draw_galleries(
    pids: Ints, camids: Ints, index: Ints, shots: int, trials: int
) -> npt.NDArray[np.bool_]:
    """Draw the images of each trial's gallery, (trials, n).

    The draw is ``random_seeded`` of SYSU-MM01: of each person under each
    camera ``shots`` images, or all where there are fewer; 0 are all, in one
    trial.
    """
    if not shots:
        return np.ones((1, len(pids)), dtype=bool)
    images = group_images(pids, camids, index)
    keys = zip(camids.tolist(), pids.tolist(), index.tolist(), strict=True)
    row_of = {key: row for row, key in enumerate(keys)}
    members = np.zeros((trials, len(pids)), dtype=bool)
    for trial, member in enumerate(members):
        drawn = random_seeded_gallery(
            images, sorted(images), shots, trial, fewer=True
        )
        member[[row_of[tuple(key)] for key in drawn.tolist()]] = True
    return members


def check_counts(
    pids: Ints, camids: Ints, modality: Ints, index: Ints
) -> None:
    """Refuse gaps in the image numbers, where images are missing.

    They count from 1 for each person, camera and modality.
    """
    labels = np.stack([pids, camids, modality, index])
    groups, group = np.unique(labels[:3], axis=1, return_inverse=True)
    group = group.ravel()
    most = np.zeros(groups.shape[1], dtype=np.int64)
    np.maximum.at(most, group, index)
    lost = most - np.bincount(group)
    if lost.any():
        pid, camid, kind = groups[:, lost.argmax()]
        raise ValueError(
            f'{lost.sum()} of {most.sum()} images are missing: index has '
            f'gaps, such as among the {MODALITY_NAMES[kind]} images of '
            f'identity {pid} under camera {camid}; extract features of every '
            'image, or score them as partial.'
        )


def check_complete(found: Ints, expected: npt.ArrayLike) -> None:
    """Compare images with those of a list.

    Both are rows of pid, camid, modality and index. Differences are a
    ValueError.
    """
    there = {tuple(row) for row in found.tolist()}
    wanted = {tuple(row) for row in np.asarray(expected).tolist()}
    if there != wanted:
        lost, unknown = wanted - there, there - wanted
        pid, camid, kind, number = min(lost or unknown)
        raise ValueError(
            f'{len(lost)} of the {len(wanted)} images of the list are missing '
            f'and {len(unknown)} others are not known (first: '
            f'{MODALITY_NAMES[kind]} image {number} of identity {pid}, camera '
            f'{camid}); extract features of every image to test, or score '
            'them as partial.'
        )

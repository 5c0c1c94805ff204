"""Who is in the gallery of a SYSU-MM01 trial: official and seeded draws.

``images`` maps camera -> identity -> sorted image numbers from 1, see
:func:`group_images`; a gallery is int64 (n, 3): camera, identity, number.
"""

import random
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

DRAWS = ('official', 'random_seeded')

Ints = npt.NDArray[np.int64]
Images = Mapping[int, Mapping[int, Sequence[int]]]
Permutations = Mapping[int, Mapping[int, Ints]]


def group_images(
    pids: npt.ArrayLike, camids: npt.ArrayLike, index: npt.ArrayLike
) -> dict[int, dict[int, list[int]]]:
    """Collect the image numbers of each identity under each camera.

    An image given twice is a ValueError.
    """
    rows, counts = np.unique(
        np.stack([camids, pids, index], axis=1), axis=0, return_counts=True
    )
    if (counts > 1).any():
        camid, pid, number = rows[counts > 1][0]
        raise ValueError(
            f'identity {pid}, camera {camid}: image number {number} appears '
            'twice in index; each image may be given once.'
        )
    groups: dict[int, dict[int, list[int]]] = {}
    for camid, pid, number in rows.tolist():
        groups.setdefault(camid, {}).setdefault(pid, []).append(number)
    return groups


def one_based_index(
    pids: npt.ArrayLike, camids: npt.ArrayLike, index: npt.ArrayLike
) -> Ints:
    """Make image numbers count from 1, recognising a count from 0.

    Negative or fractional numbers, images given twice and a mixture of both
    counts are a ValueError.
    """
    given = np.asarray(index)
    whole = given.astype(np.int64)
    if (whole != given).any() or whole.min(initial=0) < 0:
        raise ValueError(
            'index must hold image numbers, whole and counted from 1 (or all '
            'from 0).'
        )
    groups = group_images(pids, camids, whole)
    if whole.min(initial=1) > 0:
        return whole
    for camid, identities in groups.items():
        for pid, numbers in identities.items():
            if numbers == list(range(1, len(numbers) + 1)):
                raise ValueError(
                    f'index counts from 0 elsewhere but from 1 for identity '
                    f'{pid}, camera {camid}; use one count throughout.'
                )
    return whole + 1


def _official_numbers(
    entry: Ints, present: Sequence[int], shots: int, trial: int, where: str
) -> list[int]:
    """The image numbers of one identity under one camera."""
    if not entry.size:
        raise ValueError(
            f'rand_perm_cam has no entry for {where}, which has '
            f'{len(present)} images; it does not belong to this data.'
        )
    if trial >= len(entry) or entry.shape[1] < shots:
        raise ValueError(
            f'rand_perm_cam entry of {where} is {entry.shape}; trial {trial} '
            f'(from 0) with {shots} shots needs at least '
            f'({trial + 1}, {shots}).'
        )
    numbers: list[int] = entry[trial, :shots].tolist()
    missing = sorted(set(numbers) - set(present))
    if missing:
        raise ValueError(
            f'{where}: the gallery of trial {trial} (from 0) needs the images '
            f'{missing}, but only {len(present)} images are there; extract '
            'features of every image of the test identities.'
        )
    return numbers


def official_gallery(
    rand_perm_cam: Permutations,
    images: Images,
    cameras: Sequence[int],
    shots: int,
    trial: int,
) -> Ints:
    """Gallery of a trial (from 0) by the official permutations.

    Row ``trial`` of each entry, its first ``shots`` numbers; in the order of
    the official MATLAB code: camera by camera, identities ascending. All
    identities of ``images``, under any camera, take part; one that is absent
    from a camera (no entry, no images) is skipped. An entry that is missing,
    too short, or points at images that are not there is a ValueError.
    """
    nobody = np.zeros((0, 0), dtype=np.int64)
    gallery = []
    for camid in cameras:
        for pid in sorted(set().union(*images.values())):
            entry = rand_perm_cam.get(camid, {}).get(pid, nobody)
            present = images.get(camid, {}).get(pid, ())
            if entry.size or present:
                where = f'identity {pid}, camera {camid}'
                gallery += [
                    (camid, pid, number)
                    for number in _official_numbers(
                        entry, present, shots, trial, where
                    )
                ]
    return np.array(gallery, dtype=np.int64).reshape(-1, 3)


def random_seeded_gallery(
    images: Images,
    cameras: Sequence[int],
    shots: int,
    trial: int,
    fewer: bool = False,
) -> Ints:
    """Gallery of a trial drawn with Python's ``random``, seeded by the trial.

    This is the draw of the AGW family of code bases: identities ascending,
    within them cameras ascending, ``random.choice`` over the sorted images
    (``random.sample`` for more than one shot), by a generator of its own.
    Fewer images than shots are a ValueError, or all taken with ``fewer``.
    """
    generator = random.Random(trial)
    pids = sorted(set().union(*(images.get(cam, {}) for cam in cameras)))
    gallery = []
    for pid in pids:
        for camid in sorted(cameras):
            present = images.get(camid, {}).get(pid)
            if not present:
                continue
            if len(present) < shots and not fewer:
                raise ValueError(
                    f'identity {pid}, camera {camid} has {len(present)} '
                    f'images, fewer than {shots} shots.'
                )
            if shots == 1:
                numbers = [generator.choice(present)]
            else:
                numbers = generator.sample(present, min(shots, len(present)))
            gallery += [(camid, pid, number) for number in numbers]
    return np.array(gallery, dtype=np.int64).reshape(-1, 3)


def gallery_order(
    camids: Ints, pids: Ints, index: Ints, draw: str
) -> npt.NDArray[np.intp]:
    """Order of the pool in which every gallery of a draw is a subsequence.

    'official' goes camera by camera, 'random_seeded' identity by identity.
    The order of one identity's images under one camera changes no score.
    """
    if draw == 'official':
        return np.lexsort((index, pids, camids))
    return np.lexsort((index, camids, pids))

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
    """Collect the images there are of each identity under each camera.

    ``index`` is the number of an image within (identity, camera). An image
    given twice is a ValueError.
    """
    groups: dict[int, dict[int, list[int]]] = {}
    columns = (np.asarray(values).tolist() for values in (pids, camids, index))
    for pid, camid, number in zip(*columns, strict=True):
        groups.setdefault(camid, {}).setdefault(pid, []).append(number)
    for camid, identities in groups.items():
        for pid, numbers in identities.items():
            numbers.sort()
            if len(set(numbers)) < len(numbers):
                raise ValueError(
                    f'identity {pid}, camera {camid}: an image number appears '
                    f'twice in index ({numbers}); each image may be given '
                    'once.'
                )
    return groups


def one_based_index(
    pids: npt.ArrayLike, camids: npt.ArrayLike, index: npt.ArrayLike
) -> Ints:
    """Make image numbers count from 1, recognising a count from 0.

    Raises:
        ValueError: For negative or fractional numbers, images given twice,
            or a mixture of both counts.
    """
    given = np.asarray(index)
    whole = given.astype(np.int64)
    if (whole != given).any() or whole.min(initial=0) < 0:
        raise ValueError(
            'index must hold image numbers, whole and counted '
            'from 1 (or all from 0).'
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
    entry: Ints | None,
    present: Sequence[int],
    where: str,
    shots: int,
    trial: int,
) -> list[int]:
    """The image numbers of one identity under one camera, or none."""
    if entry is None or np.size(entry) == 0:
        if present:
            raise ValueError(
                f'rand_perm_cam has no entry for {where}, which has '
                f'{len(present)} images; it does not belong to this data.'
            )
        return []
    if trial >= len(entry) or entry.shape[1] < shots:
        raise ValueError(
            f'rand_perm_cam entry of {where} is {entry.shape}; trial {trial} '
            f'(from 0) with {shots} shots needs at least '
            f'({trial + 1}, {shots}).'
        )
    numbers = [int(number) for number in entry[trial, :shots]]
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
    from a camera (no entry, no images) is skipped.

    Raises:
        ValueError: Naming the camera and the identity whose entry is
            missing, too short, or points at images that are not there.
    """
    pids = sorted(set().union(*images.values()))
    gallery = []
    for camid in cameras:
        for pid in pids:
            numbers = _official_numbers(
                rand_perm_cam.get(camid, {}).get(pid),
                images.get(camid, {}).get(pid, []),
                f'identity {pid}, camera {camid}',
                shots,
                trial,
            )
            gallery += [(camid, pid, number) for number in numbers]
    return np.array(gallery, dtype=np.int64).reshape(-1, 3)


def random_seeded_gallery(
    images: Images, cameras: Sequence[int], shots: int, trial: int
) -> Ints:
    """Gallery of a trial drawn with Python's ``random``, seeded by the trial.

    This is the draw of the AGW family of code bases: identities ascending,
    within them cameras ascending, ``random.choice`` over the sorted images
    (``random.sample`` for more than one shot). It uses its own generator, so
    the global one is left alone.

    Raises:
        ValueError: Naming identity and camera with fewer images than shots.
    """
    generator = random.Random(trial)
    pids = sorted(set().union(*(images.get(cam, {}) for cam in cameras)))
    gallery = []
    for pid in pids:
        for camid in sorted(cameras):
            present = images.get(camid, {}).get(pid)
            if not present:
                continue
            if len(present) < shots:
                raise ValueError(
                    f'identity {pid}, camera {camid} has {len(present)} '
                    f'images, fewer than {shots} shots.'
                )
            if shots == 1:
                numbers = [generator.choice(present)]
            else:
                numbers = generator.sample(present, shots)
            gallery += [(camid, pid, number) for number in numbers]
    return np.array(gallery, dtype=np.int64).reshape(-1, 3)


def gallery_order(
    camids: Ints, pids: Ints, index: Ints, draw: str
) -> npt.NDArray[np.intp]:
    """Order of the pool in which every gallery of a draw is a subsequence.

    'official' goes camera by camera, 'random_seeded' identity by identity.
    Images of one identity under one camera stay together, so their own order
    changes no score.
    """
    if draw == 'official':
        return np.lexsort((index, pids, camids))
    return np.lexsort((index, camids, pids))

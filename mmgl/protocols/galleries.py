"""Who is searched where: SYSU-MM01 galleries and RegDB directions.

SYSU-MM01 (Wu et al., ICCV 2017): cameras 1, 2, 4, 5 are visible, 3 and 6
infrared; 1, 2, 3 are indoor. Cameras 2 and 3 stand in the same place, so a
camera-3 query ignores all of camera 2. Queries are all infrared images of
the test identities in both modes; the gallery of a trial has 1 or 10 images
of each identity under each visible camera.
"""

import random

import numpy as np

from .split_files import load_rand_perm_cam, read_id_list

__all__ = [
    'DRAWS',
    'GALLERY_CAMERAS',
    'INFRARED_CAMERAS',
    'VISIBLE_CAMERAS',
    'gallery_order',
    'group_images',
    'load_rand_perm_cam',
    'official_gallery',
    'one_based_index',
    'random_seeded_gallery',
    'read_id_list',
    'regdb_directions',
    'sysu_locations',
]

VISIBLE_CAMERAS = (1, 2, 4, 5)
INFRARED_CAMERAS = (3, 6)
GALLERY_CAMERAS = {'all': (1, 2, 4, 5), 'indoor': (1, 2)}
DRAWS = ('official', 'random_seeded')

_LOCATIONS = {1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6}


def sysu_locations(camids):
    """Map cameras to places: camera 3 stands where camera 2 stands.

    Args:
        camids (array-like): Cameras 1..6, (n,).

    Returns:
        np.ndarray: Place numbers, (n,); the input is not changed.
    """
    camids = np.asarray(camids)
    unknown = sorted(set(np.unique(camids).tolist()) - set(_LOCATIONS))
    if unknown:
        raise ValueError(
            f'camid {unknown} is not a SYSU-MM01 camera; give 1 to 6.'
        )
    return np.where(camids == 3, 2, camids)


def group_images(pids, camids, index):
    """Collect the images there are of each identity under each camera.

    Args:
        pids (array-like): (n,).
        camids (array-like): (n,).
        index (array-like): Image number within (identity, camera), (n,).

    Returns:
        dict[int, dict[int, list[int]]]: Camera -> identity -> sorted image
        numbers.

    Raises:
        ValueError: If an image appears twice.
    """
    groups = {}
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


def one_based_index(pids, camids, index):
    """Make image numbers count from 1, recognising a count from 0.

    Args:
        pids (array-like): (n,).
        camids (array-like): (n,).
        index (array-like): Image number within (identity, camera), (n,),
            all counted from 1 or all counted from 0.

    Returns:
        np.ndarray: int64 (n,), counted from 1.

    Raises:
        ValueError: For negative or fractional numbers, images given twice,
            or a mixture of both counts.
    """
    given = np.asarray(index)
    index = given.astype(np.int64)
    if (index != given).any() or index.min(initial=0) < 0:
        raise ValueError(
            'index must hold image numbers, whole and counted '
            'from 1 (or all from 0).'
        )
    groups = group_images(pids, camids, index)
    if index.min(initial=1) > 0:
        return index
    for camid, identities in groups.items():
        for pid, numbers in identities.items():
            if numbers == list(range(1, len(numbers) + 1)):
                raise ValueError(
                    f'index counts from 0 elsewhere but from 1 for identity '
                    f'{pid}, camera {camid}; use one count throughout.'
                )
    return index + 1


def _official_entry(rand_perm_cam, present, pid, camid, shots, trial):
    """The image numbers of one identity under one camera, or none."""
    where = f'identity {pid}, camera {camid}'
    entry = rand_perm_cam.get(camid, {}).get(pid)
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


def official_gallery(rand_perm_cam, images, cameras, shots, trial):
    """Gallery of a trial by the official permutations.

    Row ``trial`` of each entry, its first ``shots`` numbers; in the order of
    the official MATLAB code: camera by camera, identities ascending.

    Args:
        rand_perm_cam (dict): See ``load_rand_perm_cam``.
        images (dict): See :func:`group_images`. All identities in it, under
            any camera, take part.
        cameras (tuple[int]): Gallery cameras, in order.
        shots (int): Images of each identity under each camera.
        trial (int): From 0.

    Returns:
        np.ndarray: (n, 3), columns camera, identity, image number (from 1).

    Raises:
        ValueError: Naming the camera and the identity whose entry is
            missing, too short, or points at images that are not there. An
            identity absent from a camera (no entry, no images) is skipped.
    """
    pids = sorted(set().union(*images.values()))
    gallery = []
    for camid in cameras:
        for pid in pids:
            present = images.get(camid, {}).get(pid, [])
            numbers = _official_entry(
                rand_perm_cam, present, pid, camid, shots, trial
            )
            gallery += [(camid, pid, number) for number in numbers]
    return np.array(gallery, dtype=np.int64).reshape(-1, 3)


def random_seeded_gallery(images, cameras, shots, trial):
    """Gallery of a trial drawn with Python's ``random``, seeded by the trial.

    This is the draw of the AGW family of code bases: identities ascending,
    within them cameras ascending, ``random.choice`` over the sorted images
    (``random.sample`` for more than one shot). It uses its own generator, so
    the global one is left alone.

    Args:
        images (dict): See :func:`group_images`.
        cameras (tuple[int]): Gallery cameras.
        shots (int): Images of each identity under each camera.
        trial (int): From 0; the seed.

    Returns:
        np.ndarray: (n, 3), columns camera, identity, image number.

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


def gallery_order(camids, pids, index, draw):
    """Order of the pool in which every gallery of a draw is a subsequence.

    Args:
        camids (np.ndarray): (n,).
        pids (np.ndarray): (n,).
        index (np.ndarray): (n,).
        draw (str): 'official' (camera by camera) or 'random_seeded'
            (identity by identity).

    Returns:
        np.ndarray: Positions, (n,). Images of one identity under one camera
        stay together, so their own order changes no score.
    """
    if draw == 'official':
        return np.lexsort((index, pids, camids))
    return np.lexsort((index, camids, pids))


def regdb_directions(modality):
    """Split RegDB test images into the two search directions.

    Args:
        modality (array-like): 0 visible, 1 infrared, (n,).

    Returns:
        dict[str, tuple[np.ndarray, np.ndarray]]: Direction -> rows of the
        queries and rows of the gallery.

    Raises:
        ValueError: If one modality has no image.
    """
    modality = np.asarray(modality)
    visible = np.flatnonzero(modality == 0)
    infrared = np.flatnonzero(modality == 1)
    if not len(visible) or not len(infrared):
        raise ValueError(
            f'RegDB needs both modalities; found {len(visible)} visible and '
            f'{len(infrared)} infrared images.'
        )
    return {
        'visible_to_infrared': (visible, infrared),
        'infrared_to_visible': (infrared, visible),
    }

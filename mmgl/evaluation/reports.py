"""Whole reports: every mode, shot number and trial from one set of arrays."""

import numpy as np

from mmgl.protocols.galleries import (
    DRAWS,
    gallery_order,
    group_images,
    official_gallery,
    one_based_index,
    random_seeded_gallery,
)
from mmgl.protocols.regdb import regdb_directions
from mmgl.protocols.sysu import (
    GALLERY_CAMERAS,
    INFRARED_CAMERAS,
    sysu_locations,
)

from .ranking.distances import distances_between
from .ranking.feature_arrays import check_features, to_numpy
from .ranking.scoring import score_galleries


def report_key(mode, shots):
    """Name of a SYSU-MM01 protocol in reports.

    Args:
        mode (str): 'all' or 'indoor'.
        shots (int): Gallery images of each identity under each camera.

    Returns:
        str: For example 'all_search_1shot'.
    """
    return f'{mode}_search_{shots}shot'


def summarise(trials):
    """Average the figures of trials.

    Args:
        trials (list[dict[str, float]]): One dict a trial, same keys.

    Returns:
        dict: ``mean`` (dict of floats) and ``trials`` (the input).
    """
    mean = {
        key: float(np.mean([trial[key] for trial in trials]))
        for key in trials[0]
    }
    return dict(mean=mean, trials=list(trials))


def _labels(length, **arrays):
    """Check that every label array is one whole number a feature row."""
    result = []
    for name, values in arrays.items():
        values = to_numpy(values)
        if values.shape != (length,):
            raise ValueError(
                f'{name} has shape {values.shape}; there are {length} '
                'feature rows, so give one number for each.'
            )
        if values.dtype.kind not in 'iub' and (
            values.dtype.kind != 'f' or (values % 1 != 0).any()
        ):
            raise ValueError(
                f'{name} must hold whole numbers, not {values.dtype}.'
            )
        result.append(values.astype(np.int64))
    return result


def _check_modality(modality, camids):
    """Infrared exactly where the camera is an infrared one."""
    wrong = np.flatnonzero(
        modality != np.isin(camids, INFRARED_CAMERAS).astype(np.int64)
    )
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(
            f'modality disagrees with the camera in {wrong.size} rows; first '
            f'row {row}: camera {camids[row]}, modality {modality[row]}. '
            'Cameras 3 and 6 are infrared (1), the others visible (0).'
        )


def _check_options(modes, shots, trials, draw, rand_perm_cam):
    unknown = [mode for mode in modes if mode not in GALLERY_CAMERAS]
    if unknown or not modes:
        raise ValueError(
            f'modes={tuple(modes)!r}; choose from {tuple(GALLERY_CAMERAS)}.'
        )
    if not shots or min(shots) < 1 or trials < 1:
        raise ValueError(
            f'shots={tuple(shots)!r}, trials={trials}; give 1 or more.'
        )
    if draw not in DRAWS:
        raise ValueError(f'draw={draw!r} is not known; choose from {DRAWS}.')
    if draw == 'official' and rand_perm_cam is None:
        raise ValueError(
            "draw='official' needs rand_perm_cam; read it with "
            "load_rand_perm_cam, or choose draw='random_seeded'."
        )


def sysu_galleries(
    pids, camids, index, rand_perm_cam, modes, shots, trials, draw
):
    """Draw every gallery of a report.

    Args:
        pids (np.ndarray): Identities of all images, queries included, (n,).
        camids (np.ndarray): Cameras 1..6, (n,).
        index (np.ndarray): Image numbers from 1, (n,).
        rand_perm_cam (dict or None): Official permutations.
        modes (tuple[str]): Of 'all', 'indoor'.
        shots (tuple[int]): Shot numbers.
        trials (int): Trials 0..trials-1.
        draw (str): 'official' or 'random_seeded'.

    Returns:
        dict[tuple[str, int, int], np.ndarray]: (mode, shots, trial) ->
        rows of the images in the gallery, (g,), in gallery order.
    """
    images = group_images(pids, camids, index)
    keys = zip(camids.tolist(), pids.tolist(), index.tolist(), strict=True)
    row_of = {key: row for row, key in enumerate(keys)}
    result = {}
    for mode in modes:
        for shot in shots:
            for trial in range(trials):
                args = (images, GALLERY_CAMERAS[mode], shot, trial)
                if draw == 'official':
                    drawn = official_gallery(rand_perm_cam, *args)
                else:
                    drawn = random_seeded_gallery(*args)
                result[mode, shot, trial] = np.array(
                    [row_of[tuple(key)] for key in drawn.tolist()],
                    dtype=np.intp,
                )
    return result


def evaluate_sysu(
    features,
    pids,
    camids,
    modality,
    index,
    rand_perm_cam=None,
    modes=('all', 'indoor'),
    shots=(1, 10),
    trials=10,
    draw='official',
    distance='cosine',
    ties='expected',
    share=None,
):
    """Score features of SYSU-MM01 test images in all modes, shots, trials.

    Queries are all images of cameras 3 and 6. Give the features of every
    image of the evaluated identities, in any order.

    Args:
        features (array-like or Tensor): (n, d). Cosine distances of tensors
            on an accelerator are computed and ranked there.
        pids (array-like): Identities of the data set, (n,).
        camids (array-like): Cameras 1..6, (n,).
        modality (array-like): 0 visible, 1 infrared, (n,).
        index (array-like): Image number within (identity, camera), from 1
            (a count from 0 is recognised), (n,).
        rand_perm_cam (dict, optional): See ``load_rand_perm_cam``; needed
            by the official draw.
        modes (tuple[str]): Of 'all', 'indoor'.
        shots (tuple[int]): Gallery images of each identity and camera.
        trials (int): Number of trials.
        draw (str): 'official' or 'random_seeded'.
        distance (str): 'cosine' or 'euclidean'.
        ties (str): 'expected' or 'gallery_order', see ``score_galleries``.
        share (Share, optional): See ``score_galleries``; every process
            gives all features.

    Returns:
        dict: 'all_search_1shot' and so on -> ``mean`` (r1, r5, r10, r20,
        mAP, mINP as fractions) and ``trials`` (a list of such dicts).

    Raises:
        TypeError: For features that are not real numbers.
        ValueError: For inconsistent arrays or options, NaN or Inf, or a
            gallery that cannot be drawn (naming identity and camera).
    """
    pids, camids, modality, index = _labels(
        len(features), pids=pids, camids=camids, modality=modality, index=index
    )
    features = check_features(
        features,
        keep_device=distance == 'cosine',
        images=lambda row: (
            f'camera {camids[row]}, identity {pids[row]}, image {index[row]}'
        ),
    )
    locations = sysu_locations(camids)
    _check_modality(modality, camids)
    _check_options(modes, shots, trials, draw, rand_perm_cam)
    index = one_based_index(pids, camids, index)
    queries = np.flatnonzero(modality == 1)
    if not len(queries):
        raise ValueError('there is no query: no image of cameras 3 and 6.')
    galleries = sysu_galleries(
        pids, camids, index, rand_perm_cam, modes, shots, trials, draw
    )

    # One pool of all images that some gallery uses, in gallery order.
    pool = np.unique(np.concatenate(list(galleries.values())))
    if not len(pool):
        raise ValueError(
            'every gallery is empty: no image of cameras 1, 2, 4, 5.'
        )
    pool = pool[gallery_order(camids[pool], pids[pool], index[pool], draw)]
    members = np.zeros((len(galleries), len(features)), dtype=bool)
    for number, rows in enumerate(galleries.values()):
        members[number, rows] = True
    scores = score_galleries(
        distances_between(features[queries], features[pool], distance),
        pids[queries],
        pids[pool],
        members[:, pool],
        locations[queries],
        locations[pool],
        cmc='unique_identity',
        ties=ties,
        share=share,
    )
    report = {}
    for (mode, shot, _), score in zip(galleries, scores, strict=True):
        report.setdefault(report_key(mode, shot), []).append(score.as_dict())
    return {key: summarise(rows) for key, rows in report.items()}


def evaluate_regdb(
    features, pids, modality, distance='cosine', ties='expected', share=None
):
    """Score features of one RegDB test split in both directions.

    Every image of one modality is a query, every image of the other is in
    the gallery, no camera rule, standard CMC. Labels of RegDB test splits
    count anew in each split, so score one split at a time and average with
    :func:`merge_reports`.

    Args:
        features (array-like or Tensor): (n, d). Cosine distances of tensors
            on an accelerator are computed and ranked there.
        pids (array-like): Identities within the split, (n,).
        modality (array-like): 0 visible, 1 infrared, (n,).
        distance (str): 'cosine' or 'euclidean'.
        ties (str): 'expected' or 'gallery_order', see ``score_galleries``.
        share (Share, optional): See ``score_galleries``; every process
            gives all features.

    Returns:
        dict: 'visible_to_infrared' and 'infrared_to_visible' -> ``mean``
        and ``trials`` (of one entry), as :func:`evaluate_sysu`.

    Raises:
        TypeError: For features that are not real numbers.
        ValueError: For inconsistent arrays or options, NaN or Inf.
    """
    pids, modality = _labels(len(features), pids=pids, modality=modality)
    if not np.isin(modality, (0, 1)).all():
        raise ValueError('modality must be 0 (visible) or 1 (infrared).')
    features = check_features(
        features,
        keep_device=distance == 'cosine',
        images=lambda row: (
            f'{("visible", "infrared")[int(modality[row])]} '
            f'image of identity {pids[row]}'
        ),
    )
    report = {}
    for name, (queries, gallery) in regdb_directions(modality).items():
        (score,) = score_galleries(
            distances_between(features[queries], features[gallery], distance),
            pids[queries],
            pids[gallery],
            cmc='standard',
            ties=ties,
            share=share,
        )
        report[name] = summarise([score.as_dict()])
    return report


def merge_reports(reports):
    """Average reports of several trials, such as RegDB's ten splits.

    Args:
        reports (list[dict]): Reports with the same keys, in trial order.

    Returns:
        dict: One report whose ``trials`` are those of all.
    """
    if not reports:
        raise ValueError('there is no report to merge.')
    return {
        key: summarise(sum((one[key]['trials'] for one in reports), []))
        for key in reports[0]
    }

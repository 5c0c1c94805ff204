"""Reports from files: what ``tools/analysis_tools/eval_features.py`` runs."""

import warnings
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.protocols.galleries import Permutations
from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.protocols.sysu import VISIBLE_CAMERAS, find_split_files

from .features_io import FeatureSet, load_features
from .reports import Trials, evaluate_regdb, evaluate_sysu, report_document

# MATLAB's sort is stable; RegDB has no official evaluation to follow.
DEFAULT_TIES = {'sysu': 'gallery_order', 'regdb': 'expected'}


def _drop_absent(
    feature_set: FeatureSet, rand_perm_cam: Permutations
) -> FeatureSet:
    """Leave out images that the official permutations do not know.

    The official code skips an identity under a camera for which it has no
    permutation, in the gallery and among the queries alike.
    """
    columns = feature_set.camids.tolist(), feature_set.pids.tolist()
    pairs = list(zip(*columns, strict=True))
    known = np.array([p in rand_perm_cam.get(cam, {}) for cam, p in pairs])
    if known.all():
        return feature_set
    absent = sorted(set(pairs[row] for row in np.flatnonzero(~known)))
    warnings.warn(
        'left out as in the official evaluation, because rand_perm_cam is '
        f'empty there (camera, identity): {absent}.'
    )
    return feature_set.select(known)


def report_sysu(
    features: str | Path,
    data_root: str | Path,
    distance: str = 'euclidean',
    draw: str = 'official',
    ties: str | None = None,
) -> dict[str, Any]:
    """Score SYSU-MM01 features in files as the official MATLAB code does.

    ``features`` is what ``load_features`` reads, ``data_root`` what
    ``find_split_files`` does; ``ties`` is 'gallery_order' by default. Returns
    a :func:`report_document` with ``settings``.
    """
    ties = ties or DEFAULT_TIES['sysu']
    id_file, permutation_file = find_split_files(data_root)
    rand_perm_cam = load_rand_perm_cam(permutation_file)
    test_ids = read_id_list(id_file)
    data = load_features(features, test_ids)
    if draw == 'official':
        data = _drop_absent(data, rand_perm_cam)
        _check_gallery(data, rand_perm_cam, test_ids, features)
    trials = evaluate_sysu(
        data.features,
        *data.labels,
        rand_perm_cam,
        draw=draw,
        distance=distance,
        ties=ties,
    )
    settings = dict(protocol='sysu', distance=distance, ties=ties, draw=draw)
    return report_document(trials, settings)


def _check_gallery(
    feature_set: FeatureSet,
    rand_perm_cam: Permutations,
    test_ids: list[int],
    path: str | Path,
) -> None:
    """Find test identities without any feature, which no later step sees."""
    unseen = sorted(set(test_ids) - set(feature_set.pids.tolist()))
    for camid in VISIBLE_CAMERAS:
        lost = [pid for pid in unseen if pid in rand_perm_cam.get(camid, {})]
        if lost:
            raise ValueError(
                f'{path} has no feature of the test identities {lost}, which '
                f'rand_perm_cam puts in the gallery of camera {camid}.'
            )


def report_regdb(
    features: str | Path, distance: str = 'euclidean', ties: str | None = None
) -> dict[str, Any]:
    """Score RegDB features in files, one .npz a trial.

    ``features`` is an .npz, a folder of them, or a pattern with wildcards.
    Several files need the field ``trial``, each another one, in whose order
    they are reported. Returns a :func:`report_document` with ``settings``.
    """
    ties = ties or DEFAULT_TIES['regdb']
    path = Path(features)
    pattern = str(path / '*.npz') if path.is_dir() else str(path)
    files = [str(path)] if path.is_file() else sorted(glob(pattern))
    if not files:
        raise FileNotFoundError(f'no feature file matches {pattern}.')
    reports: dict[int | None, Trials] = {}
    for file in files:
        data = load_features(file)
        if data.trial is None and len(files) > 1:
            raise ValueError(
                f'{file} has no field trial; RegDB labels count anew in each '
                'split, so each of several files must name its split.'
            )
        if data.trial in reports:
            raise ValueError(
                f'{file}: trial {data.trial} is given by another file too.'
            )
        reports[data.trial] = evaluate_regdb(
            data.features, data.pids, data.modality, distance, ties
        )
    numbers = sorted(reports, key=lambda trial: trial or 0)
    trials = [one for number in numbers for one in reports[number]]
    settings = dict(protocol='regdb', distance=distance, ties=ties)
    return report_document(trials, {**settings, 'trials': numbers})


def report_table(report: dict[str, Any]) -> list[list[str]]:
    """Lay out the means of a document as rows of text, in percent."""
    rows = {key: part for key, part in report.items() if key != 'settings'}
    names = list(next(iter(rows.values()))['mean'])
    table = [['protocol', 'trials', *names]]
    for key, part in rows.items():
        values = [f'{100 * part["mean"][name]:.2f}' for name in names]
        table.append([key, str(len(part['trials'])), *values])
    return table

"""Reports from files: what ``tools/analysis_tools/eval_features.py`` runs."""

import warnings
from glob import glob
from pathlib import Path

import numpy as np

from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.protocols.sysu import VISIBLE_CAMERAS, find_split_files
from mmgl.version import __version__

from .features_io import load_features
from .reports import evaluate_regdb, evaluate_sysu, merge_reports

# MATLAB's sort is stable; RegDB has no official evaluation to follow.
DEFAULT_TIES = {'sysu': 'gallery_order', 'regdb': 'expected'}


def drop_absent(feature_set, rand_perm_cam):
    """Leave out images that the official permutations do not know.

    The official code skips an identity under a camera for which it has no
    permutation, in the gallery and among the queries alike.

    Args:
        feature_set (FeatureSet): Features of the test identities.
        rand_perm_cam (dict): See ``load_rand_perm_cam``.

    Returns:
        FeatureSet: Without those images; a warning names them.
    """
    pairs = np.stack([feature_set.camids, feature_set.pids], axis=1)
    absent = {
        (camid, pid)
        for camid, pid in set(map(tuple, pairs.tolist()))
        if pid not in rand_perm_cam.get(camid, {})
    }
    if not absent:
        return feature_set
    warnings.warn(
        'left out as in the official evaluation, because rand_perm_cam is '
        f'empty there (camera, identity): {sorted(absent)}.'
    )
    keep = [tuple(pair) not in absent for pair in pairs.tolist()]
    return feature_set.select(np.array(keep))


def report_sysu(
    features, data_root, distance='euclidean', draw='official', ties=None
):
    """Score SYSU-MM01 features in files as the official MATLAB code does.

    Args:
        features (str or Path): See ``load_features``.
        data_root (str or Path): See :func:`find_split_files`.
        distance (str): 'euclidean' (official) or 'cosine'.
        draw (str): 'official' or 'random_seeded'.
        ties (str, optional): 'gallery_order' (official, the default) or
            'expected'.

    Returns:
        dict: See ``evaluate_sysu``, and ``settings``.
    """
    ties = ties or DEFAULT_TIES['sysu']
    id_file, permutation_file = find_split_files(data_root)
    rand_perm_cam = load_rand_perm_cam(permutation_file)
    test_ids = read_id_list(id_file)
    feature_set = load_features(features, test_ids)
    if draw == 'official':
        feature_set = drop_absent(feature_set, rand_perm_cam)
        _check_gallery(feature_set, rand_perm_cam, test_ids, features)
    report = evaluate_sysu(
        feature_set.features,
        feature_set.pids,
        feature_set.camids,
        feature_set.modality,
        feature_set.index,
        rand_perm_cam,
        draw=draw,
        distance=distance,
        ties=ties,
    )
    report['settings'] = _settings('sysu', distance, ties, draw=draw)
    return report


def _check_gallery(feature_set, rand_perm_cam, test_ids, path):
    """Find test identities without any feature, which no later step sees."""
    known = set(feature_set.pids.tolist())
    for camid in VISIBLE_CAMERAS:
        lost = [
            pid
            for pid in test_ids
            if pid in rand_perm_cam.get(camid, {}) and pid not in known
        ]
        if lost:
            raise ValueError(
                f'{path} has no feature of the test identities {lost}, which '
                f'rand_perm_cam puts in the gallery of camera {camid}.'
            )


def report_regdb(features, distance='euclidean', ties=None):
    """Score RegDB features in files, one .npz a trial.

    Args:
        features (str or Path): An .npz, a folder of them, or a pattern
            with wildcards. Several files need the field ``trial``.
        distance (str): 'euclidean' or 'cosine'.
        ties (str, optional): 'expected' (the default) or 'gallery_order'.

    Returns:
        dict: See ``merge_reports``, and ``settings``.

    Raises:
        FileNotFoundError: If no file matches.
        ValueError: If trials are unnamed or given twice.
    """
    ties = ties or DEFAULT_TIES['regdb']
    path = Path(features)
    pattern = str(path / '*.npz') if path.is_dir() else str(path)
    files = [str(path)] if path.is_file() else sorted(glob(pattern))
    if not files:
        raise FileNotFoundError(f'no feature file matches {pattern}.')
    reports = {}
    for file in files:
        feature_set = load_features(file)
        if feature_set.trial is None and len(files) > 1:
            raise ValueError(
                f'{file} has no field trial; RegDB labels count anew in each '
                'split, so each of several files must name its split.'
            )
        if feature_set.trial in reports:
            raise ValueError(
                f'{file}: trial {feature_set.trial} is given '
                'by another file too.'
            )
        reports[feature_set.trial] = evaluate_regdb(
            feature_set.features,
            feature_set.pids,
            feature_set.modality,
            distance,
            ties,
        )
    trials = sorted(reports) if len(files) > 1 else list(reports)
    report = merge_reports([reports[trial] for trial in trials])
    report['settings'] = _settings('regdb', distance, ties, trials=trials)
    return report


def _settings(protocol, distance, ties, **others):
    return dict(
        protocol=protocol,
        distance=distance,
        ties=ties,
        **others,
        version=__version__,
    )


def report_table(report):
    """Lay out the means of a report as rows of text.

    Args:
        report (dict): See :func:`report_sysu`.

    Returns:
        list[list[str]]: Heading and one row a protocol, in percent.
    """
    rows = {key: part for key, part in report.items() if key != 'settings'}
    names = list(next(iter(rows.values()))['mean'])
    table = [['protocol', 'trials', *names]]
    for key, part in rows.items():
        values = [f'{100 * part["mean"][name]:.2f}' for name in names]
        table.append([key, str(len(part['trials'])), *values])
    return table

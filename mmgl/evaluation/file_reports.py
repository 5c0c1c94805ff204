"""Reports from files: what ``tools/analysis_tools/eval_features.py`` runs."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mmgl.protocols import sysu
from mmgl.protocols.completeness import (
    check_regdb_images,
    check_regdb_paths,
    check_sysu_paths,
    count_images,
    read_regdb_lists,
)
from mmgl.protocols.galleries import Permutations
from mmgl.protocols.regdb import OFFICIAL_SIZE, TRIALS
from mmgl.protocols.split_files import load_rand_perm_cam, read_id_list
from mmgl.utils.errors import ConfigError

from .details import Details
from .features_io import FeatureSet, load_features
from .reports import Trials, evaluate_regdb, evaluate_sysu, report_document

# Looks at features first; says, or refuses, what is wrong with them.
Check: TypeAlias = Callable[[FeatureSet], str | None]
# MATLAB's sort is stable; others have no official evaluation to follow.
DEFAULT_TIES = {
    'sysu': 'gallery_order',
    'regdb': 'expected',
    'llcm': 'expected',
    'cross': 'expected',
}


def _drop_absent(
    feature_set: FeatureSet, rand_perm_cam: Permutations
) -> FeatureSet:
    """Leave out queries and images that the permutations do not know."""
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
    ties: str | None = None,
    partial: bool = False,
    details: Details | None = None,
    draw: str = 'official',
    check: Check | None = None,
    split: str = 'test',
) -> dict[str, Any]:
    """Score SYSU-MM01 features in files as the official MATLAB code does.

    Returns a :func:`report_document` with ``settings``. Some of the images
    of the identities of a split, 'test' or 'val', are scored only as
    ``partial``, which names of searches then say.
    """
    ties = ties or DEFAULT_TIES['sysu']
    id_file, permutation_file = sysu.find_split_files(data_root)
    rand_perm_cam = load_rand_perm_cam(permutation_file)
    if set(rand_perm_cam) != set(sysu.ALL_CAMERAS):
        raise ConfigError(
            f'{permutation_file} has {len(rand_perm_cam)} cameras, not 6; '
            'restore the official file.'
        )
    id_file = id_file.with_name(sysu.id_file_name(split, id_file.suffix))
    ids = read_id_list(id_file)
    with naming(features):
        data = load_features(features, ids)
        if data.trial is not None:
            raise ValueError('the field trial says that it is of RegDB.')
        sysu.sysu_locations(data.camids)  # knows the cameras
        if data.img_paths is not None:
            check_sysu_paths(data.img_paths.tolist(), data.camids, data.pids)
        if draw == 'official':
            data = _drop_absent(data, rand_perm_cam)
        notes = notes_of(data, distance, check)
        # No indoor visible camera saw the validation identities.
        modes = [
            mode
            for mode, cameras in sysu.GALLERY_CAMERAS.items()
            if split == 'test' or np.isin(data.camids, cameras).any()
        ]
        how: dict[str, Any] = dict(distance=distance, ties=ties, draw=draw)
        trials = evaluate_sysu(
            data.features,
            *data.labels,
            rand_perm_cam,
            modes,
            identities=ids,
            partial=partial,
            details=details,
            **how,
        )
    return lay_out(trials, dict(protocol='sysu', **how, **notes), partial)


def notes_of(
    data: FeatureSet, distance: str, check: Check | None
) -> dict[str, Any]:
    """Say in a report what is odd about the features."""
    zeros = data.check_directions(distance)
    notes = dict(zero_features=zeros, seen=check and check(data))
    return {name: note for name, note in notes.items() if note}


@contextmanager
def naming(source: str | Path) -> Iterator[None]:
    """Name the file in errors of what it holds."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        raise ConfigError(
            text if str(source) in text else f'{source}: {text}'
        ) from error


def lay_out(
    trials: Trials, settings: dict[str, Any], partial: bool
) -> dict[str, Any]:
    """Lay a report out; partial ones under other names."""
    if not partial:
        return report_document(trials, settings)
    document = report_document(trials, {**settings, 'partial': True})
    return {
        key if key == 'settings' else f'{key}_partial': part
        for key, part in document.items()
    }


def report_regdb(
    features: str | Path,
    distance: str = 'euclidean',
    ties: str | None = None,
    partial: bool = False,
    details: Details | None = None,
    data_root: str | Path | None = None,
    check: Check | None = None,
) -> dict[str, Any]:
    """Score RegDB features in files, one .npz a trial; see `report_sysu`.

    ``features`` is an .npz, a folder of them, or a pattern. ``data_root``
    holds the lists to compare with; without it all labels must have equally
    many images.
    """
    ties = ties or DEFAULT_TIES['regdb']
    path = Path(features)
    pattern = str(path / '*.npz') if path.is_dir() else str(path)
    files = [str(path)] if path.is_file() else sorted(glob(pattern))
    if not files:
        raise FileNotFoundError(f'no feature file matches {pattern}.')
    reports: dict[int | None, Trials] = {}
    notes: dict[str, Any] = {}
    zeros = 0  # rows of all files together
    for file in files:
        with naming(file):
            data = load_features(file)
            more = notes_of(data, distance, check)
            zeros += more.get('zero_features', 0)
            notes.update(more)
            if data.trial is None and (len(files) > 1 or data_root):
                raise ValueError(
                    f'{file} has no field trial; RegDB labels count anew in '
                    'each split, so the file must name its split.'
                )
            if data.trial in reports:
                raise ValueError(
                    f'trial {data.trial} is given by another file too.'
                )
            _check_regdb(data, data_root, partial)
            images = data.features, data.pids, data.modality
            reports[data.trial] = evaluate_regdb(
                *images, distance, ties, details=details
            )
    if zeros:
        notes['zero_features'] = zeros
    numbers = sorted(reports, key=lambda trial: trial or 0)
    trials = [one for number in numbers for one in reports[number]]
    order = [list(reports).index(number) for number in numbers]
    for people in details.people.values() if details else ():
        people[:] = [people[place] for place in order]
    settings: dict[str, Any] = dict(
        protocol='regdb', distance=distance, ties=ties, trials=numbers
    )
    return lay_out(trials, {**settings, **notes}, partial)


def _check_regdb(
    data: FeatureSet, data_root: str | Path | None, partial: bool
) -> None:
    """Check trial, folders and numbers of images of one split."""
    if data.trial is not None and data.trial not in TRIALS:
        raise ValueError(
            f'RegDB has the trials 1 to {TRIALS[-1]}, not {data.trial}.'
        )
    paths = data.img_paths.tolist() if data.img_paths is not None else None
    if paths is not None:
        check_regdb_paths(paths, data.modality)
    lists = None
    if data_root is not None and data.trial is not None:
        lists = read_regdb_lists(data_root, data.trial)
        if paths is not None:
            lists.check_paths(paths, data.modality, data.pids)
    if partial:
        return
    found = count_images(data.modality, data.pids)
    check_regdb_images(found, expected=lists.counts if lists else None)
    if lists is None and (len(found), len(data.pids)) != OFFICIAL_SIZE:
        warnings.warn(
            f'{len(data.pids)} images of {len(found) // 2} labels; the '
            f'official splits have {OFFICIAL_SIZE[1]} of '
            f'{OFFICIAL_SIZE[0] // 2}. Give data_root to compare.'
        )

"""All figures of a probe from arrays: no model, no data set, no files."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmgl.evaluation.cross_reports import evaluate_cross
from mmgl.evaluation.features_io import FeatureSet
from mmgl.evaluation.probe import (
    canonical_order,
    effective_rank,
    half_split,
    knn_accuracy,
    linear_accuracy,
    standardise,
)
from mmgl.evaluation.reports import (
    evaluate_regdb,
    evaluate_sysu,
    mean_over_trials,
)
from mmgl.models.functional.monitors import (
    feature_spread,
    modality_gap,
    part_consistency,
    within_modality_spread,
)
from mmgl.protocols.sysu import GALLERY_CAMERAS, sysu_locations
from mmgl.structures import INFRARED, MODALITY_NAMES, VISIBLE

from .features.extraction import Array, PartFeatures

# A measure and its level of chance, if there is one, as fractions of 1.
Figure: TypeAlias = tuple[float | Tensor, float | None]

_KEPT = ('rank1', 'rank10', 'mAP', 'mINP')
_NO_FRACTION = 'features/effective_rank'


def _searchable_modes(data: FeatureSet) -> tuple[str, ...]:
    """Modes of SYSU-MM01 in which some query has a true match."""
    places = sysu_locations(data.camids)
    queries = data.modality == INFRARED
    modes = []
    for mode, cameras in GALLERY_CAMERAS.items():
        gallery = np.isin(data.camids, cameras)
        pairs = data.pids[queries][:, None] == data.pids[gallery][None]
        pairs &= places[queries][:, None] != places[gallery][None]
        if pairs.any():
            modes.append(mode)
    return tuple(modes)


def _retrieval(
    data: FeatureSet, features: Array, metainfo: Mapping[str, Any]
) -> dict[str, float]:
    """Score features by the protocol of their data set, as fractions."""
    if metainfo['dataset'] == 'regdb':
        labels = len(metainfo['pids']) if 'pids' in metainfo else None
        trials = evaluate_regdb(
            features, data.pids, data.modality, labels=labels
        )
    elif metainfo['dataset'] != 'sysu':
        trials = evaluate_cross(features, *data.labels, partial=True)
    else:
        modes = _searchable_modes(data)
        permutations = metainfo.get('rand_perm_cam')
        trials = evaluate_sysu(
            features,
            *data.labels,
            permutations,
            modes,
            shots=(1,),
            draw='random_seeded' if permutations is None else 'official',
            identities=metainfo.get('pids'),
        )
    return {
        name: value
        for name, value in mean_over_trials(trials).items()
        if name.endswith(_KEPT)
    }


def _retrievals(
    data: FeatureSet, parts: Array, metainfo: Mapping[str, Any]
) -> dict[str, Figure]:
    # Where all images are tied, the mean over all orders is chance.
    chance = _retrieval(data, np.ones((len(data.pids), 1)), metainfo)
    unit = parts / np.maximum(
        np.linalg.norm(parts, axis=2, keepdims=True), 1e-12
    )
    variants = {
        'retrieval': data.features,
        'retrieval_standardised': standardise(data.features, data.modality),
        'retrieval_parts': unit.reshape(len(unit), -1),
    }
    return {
        f'{name}/{key}': (value, chance[key])
        for name, features in variants.items()
        for key, value in _retrieval(data, features, metainfo).items()
    }


def _directions(modality: Array) -> dict[str, tuple[Array, Array]]:
    """Names of the cross-modal directions, labelled and tested images."""
    return {
        f'{MODALITY_NAMES[a]}_to_{MODALITY_NAMES[b]}': (
            modality == a,
            modality == b,
        )
        for a, b in ((VISIBLE, INFRARED), (INFRARED, VISIBLE))
    }


def _between(
    measure: Callable[..., Figure],
    data: FeatureSet,
    known: Array,
    asked: Array,
    labels: str = 'pids',
) -> Figure:
    """Accuracy for some images by others whose labels are known; chance."""
    numbers = getattr(data, labels)
    return measure(
        data.features[known],
        numbers[known],
        data.features[asked],
        numbers[asked],
    )


def _knn(data: FeatureSet) -> dict[str, Figure]:
    figures = {
        f'knn/{name}': _between(knn_accuracy, data, known, asked)
        for name, (known, asked) in _directions(data.modality).items()
    }
    for number, name in enumerate(MODALITY_NAMES):
        mine = data.select(data.modality == number)
        cameras = np.unique([mine.pids, mine.camids], axis=1).shape[1]
        # Images of one camera are near copies of each other.
        apart = cameras > len(np.unique(mine.pids))
        groups = mine.camids if apart else np.arange(len(mine.pids))
        rule = 'other_cameras' if apart else 'other_images'
        labelled = (mine.features, mine.pids)
        figures[f'knn/{name}_{rule}'] = knn_accuracy(
            *labelled, *labelled, groups, groups
        )
    return figures


def _linear(data: FeatureSet) -> dict[str, Figure]:
    train = half_split(data.index, data.pids, data.modality, data.camids)
    pairs = {'half_of_images': (train, ~train), **_directions(data.modality)}
    figures = {
        f'linear/{name}': _between(linear_accuracy, data, known, asked)
        for name, (known, asked) in pairs.items()
    }
    figures['modality/linear'] = _between(
        linear_accuracy, data, train, ~train, 'modality'
    )
    return figures


def _shape(data: FeatureSet) -> dict[str, Figure]:
    features = torch.from_numpy(data.features)
    modality = torch.from_numpy(data.modality)
    # Labels given at random explain 1 / (n - 1) of the variance.
    chance = 1 / max(len(features) - 1, 1)
    return {
        'modality/gap': (modality_gap(features, modality), chance),
        'features/spread': (feature_spread(features), None),
        'features/spread_in_modality': (
            within_modality_spread(features, modality),
            None,
        ),
        _NO_FRACTION: (effective_rank(data.features), None),
    }


def _consistency(shuffled: PartFeatures) -> Figure:
    stripes = F.normalize(torch.from_numpy(shuffled.features).float(), dim=2)
    modality, places = map(
        torch.from_numpy, (shuffled.modality, shuffled.places)
    )
    return part_consistency(stripes, modality, places), 1 / stripes.shape[1]


def probe_features(
    data: FeatureSet,
    parts: Array,
    metainfo: Mapping[str, Any],
    shuffled: PartFeatures | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure frozen features; the order of the images changes nothing.

    Args:
        data: Global features (n, d) with labels.
        parts: Stripes of the same images, top to bottom, (n, N, d).
        metainfo: Of the data set: ``dataset`` ('sysu', 'regdb', any) and,
            for SYSU-MM01, ``rand_perm_cam``.
        shuffled: Stripes of shuffled images, for the part consistency.

    Returns:
        ``metrics`` and ``chance``, name and value, in percent except for the
        effective rank; chance is None where there is no such level.

    Raises:
        ValueError: For NaN or Inf, or if a figure cannot be computed.
    """
    missing = [
        name
        for number, name in enumerate(MODALITY_NAMES)
        if not (data.modality == number).any()
    ]
    if missing:
        raise ValueError(
            f'the split has no {missing[0]} image; probe one '
            'with images of both modalities'
        )
    order = canonical_order(data.pids, data.camids, data.modality, data.index)
    data, parts = data.select(order), np.asarray(parts)[order]
    figures = _retrievals(data, parts, metainfo)
    figures.update(**_knn(data), **_linear(data), **_shape(data))
    if shuffled is not None:
        figures['parts/consistency'] = _consistency(shuffled)
    unit = {name: 100.0 for name in figures} | {_NO_FRACTION: 1.0}
    return dict(
        metrics={k: float(v) * unit[k] for k, (v, _) in figures.items()},
        chance={
            name: None if level is None else float(level) * unit[name]
            for name, (_, level) in figures.items()
        },
    )

"""Measures of the probe on features made up for the purpose."""

import numpy as np
import pytest

from mmgl.apis.features.extraction import PartFeatures
from mmgl.apis.probe_report import probe_features
from mmgl.evaluation.features_io import FeatureSet

PARTS, IDS = 3, 6


def make_set(
    offset=0.0, signal=1.0, noise=0.05, seed=0, cameras=range(1, 7), images=4
):
    """Identities as unit vectors, plus noise, plus a step in infrared."""
    rng = np.random.default_rng(seed)
    rows = [
        (p, c, i + 1)
        for p in range(IDS)
        for c in cameras
        for i in range(images)
    ]
    pids, camids, index = np.array(rows).T
    modality = np.isin(camids, (3, 6)).astype(int)
    size = (len(rows), IDS + 1)
    features = signal * np.eye(*size[1:] * 2)[pids] + noise * rng.normal(
        size=size
    )
    features[:, -1] += offset * modality
    return FeatureSet(
        features.astype(np.float32), pids, camids, modality, index
    )


def make_parts(data, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(len(data.pids), PARTS, 8)).astype(np.float32)


def probe(data, shuffled=None, dataset='sysu'):
    return probe_features(
        data, make_parts(data), dict(dataset=dataset), shuffled
    )


def test_separable_identities():
    metrics = probe(make_set())['metrics']
    for key in (
        'retrieval/all_single/rank1',
        'retrieval/all_single/mAP',
        'retrieval/indoor_single/mINP',
        'knn/visible_to_infrared',
        'knn/infrared_to_visible',
        'knn/visible_other_cameras',
        'linear/half_of_images',
        'linear/visible_to_infrared',
    ):
        assert metrics[key] == pytest.approx(100), key
    # Identities span 5 dimensions; noise adds a little.
    assert 5 < metrics['features/effective_rank'] < 7


def test_noise_scores_at_chance():
    report = probe(make_set(signal=0, noise=1, images=20))
    for key, chance in report['chance'].items():
        # At least 240 images are scored in each figure.
        if chance is not None and key != 'modality/gap':
            share = min(max(chance / 100, 0), 1)
            deviation = 100 * np.sqrt(share * (1 - share) / 240) + 1e-6
            assert abs(report['metrics'][key] - chance) < 4 * deviation, key
    assert report['metrics']['modality/gap'] < 2
    assert report['chance']['knn/visible_to_infrared'] == pytest.approx(
        100 / IDS
    )
    # Rank-1 of a random order: one of six people.
    assert report['chance']['retrieval/all_single/rank1'] == pytest.approx(
        100 / IDS, abs=0.5
    )


def test_modality_offset_is_seen():
    near, far = (probe(make_set(offset=o))['metrics'] for o in (0, 50))
    assert near['modality/gap'] < 2 and near['modality/linear'] < 75
    assert far['modality/gap'] > 99 and far['modality/linear'] == 100
    # Taking each modality's mean away undoes it.
    assert far['retrieval_standardised/all_single/rank1'] == (
        pytest.approx(100)
    )
    assert far['knn/visible_other_cameras'] == pytest.approx(100)


def test_collapse_is_seen():
    data = make_set(signal=0, noise=0)
    data.features[:] = 1
    report = probe(data)
    assert report['metrics']['features/spread'] < 1e-4
    assert report['metrics']['features/spread_in_modality'] < 1e-4
    assert report['metrics']['features/effective_rank'] == 0
    for key in ('retrieval/all_single/rank1', 'knn/visible_to_infrared'):
        assert report['metrics'][key] == pytest.approx(report['chance'][key])


def test_part_consistency_uses_the_places():
    rng = np.random.default_rng(0)
    places = np.stack([rng.permutation(PARTS) for _ in range(20)])
    modality = np.arange(20) % 2
    content = np.eye(PARTS, dtype=np.float32)[places]
    for parts, want in (
        (content, 100),
        (
            np.eye(PARTS, dtype=np.float32)[[0, 1, 2]][None].repeat(
                20, axis=0
            ),
            100 / 3,
        ),
    ):
        report = probe(make_set(), PartFeatures(parts, modality, places))
        assert report['metrics']['parts/consistency'] == pytest.approx(
            want, abs=18 if want < 100 else 0
        )
        assert report['chance']['parts/consistency'] == pytest.approx(100 / 3)


def test_order_of_images_changes_nothing():
    data = make_set(signal=0.3, noise=0.3)
    parts = make_parts(data)
    order = np.random.default_rng(1).permutation(len(parts))
    reports = [
        probe_features(one, its_parts, dict(dataset='sysu'))
        for one, its_parts in (
            (data, parts),
            (data.select(order), parts[order]),
        )
    ]
    assert reports[0] == reports[1]


def test_regdb_and_missing_modality():
    data = make_set()
    # One camera a modality: leave one image out instead.
    data.camids = data.modality + 1
    data.index = np.arange(len(data.pids)) + 1
    metrics = probe(data, dataset='own')['metrics']
    assert metrics['retrieval/infrared_to_visible/mAP'] == pytest.approx(100)
    metrics = probe(data, dataset='regdb')['metrics']
    for key in (
        'retrieval/visible_to_infrared/rank1',
        'retrieval/infrared_to_visible/mAP',
        'knn/infrared_other_images',
    ):
        assert metrics[key] == pytest.approx(100), key
    with pytest.raises(ValueError, match='no infrared'):
        probe(make_set(cameras=(1, 2, 4)))


def test_validation_without_indoor_visible_cameras():
    # As the validation identities of SYSU-MM01.
    metrics = probe(make_set(cameras=(4, 5, 6)))['metrics']
    assert metrics['retrieval/all_single/rank1'] == pytest.approx(100)
    assert not any('indoor' in key for key in metrics)

import numpy as np
import pytest
import torch
from matlab_like import as_arrays, official, random_cells, score

from mmgl.evaluation.reports import (
    evaluate_regdb,
    evaluate_sysu,
    mean_over_trials,
    report_document,
)

# Public name -> that in files and in the reference.
NAMES = {
    'rank1': 'r1',
    'rank5': 'r5',
    'rank10': 'r10',
    'rank20': 'r20',
    'mAP': 'mAP',
    'mINP': 'mINP',
}


def restrict(permutations, ids):
    return {
        cam: {pid: rows for pid, rows in entries.items() if pid in ids}
        for cam, entries in permutations.items()
    }


@pytest.mark.parametrize('mode', ['all', 'indoor'])
@pytest.mark.parametrize('shots', [1, 2])
@pytest.mark.parametrize('levels', [None, 1, 3])
def test_sysu_equals_literal_reference(mode, shots, levels):
    """Random small data, missing ids and cameras, ties, tiny galleries."""
    rng = np.random.default_rng([shots, levels or 0])
    compared = 0
    for case in range(12):
        ids = 1 + case % 8
        cells, perms, test_ids = random_cells(
            rng,
            ids=ids,
            least=2,
            levels=levels,
            absent=0.5 if case % 2 else 0.1,
        )
        arrays = as_arrays(cells, test_ids)
        expected = [
            official(cells, perms, test_ids, mode, shots, trial)
            for trial in range(10)
        ]
        args = (
            *arrays,
            restrict(perms, test_ids),
            (mode,),
            (shots,),
            10,
            'official',
            'euclidean',
            'gallery_order',
        )
        if None in expected or not len(arrays[0]):
            with pytest.raises(ValueError):
                evaluate_sysu(*args)
            continue
        trials = evaluate_sysu(*args)
        names = {
            f'{mode}_{"single" if shots == 1 else "2shot"}/{name}': key
            for name, key in NAMES.items()
        }
        compared += 1
        means = mean_over_trials(trials)
        assert set(means) == set(names)
        for found, wanted in zip(trials, expected, strict=True):
            for name, key in names.items():
                assert abs(found[name] - wanted[key]) < 1e-12
        for name, key in names.items():
            mean = np.mean([one[key] for one in expected])
            assert abs(means[name] - mean) < 1e-12
    assert compared >= 5


def made_up(seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    cells, perms, ids = random_cells(
        rng, ids=6, least=3, absent=0.1, dims=5, **kwargs
    )
    return as_arrays(cells, ids), restrict(perms, ids)


def test_report_has_every_protocol_and_python_floats():
    arrays, perms = made_up()
    trials = evaluate_sysu(*arrays, perms, shots=(1, 3), trials=4)
    searches = [key.split('/')[0] for key in trials[0]][::6]
    assert searches == [
        'all_single',
        'all_3shot',
        'indoor_single',
        'indoor_3shot',
    ]
    report = report_document(trials)
    assert set(report) == {
        'all_search_1shot',
        'all_search_3shot',
        'indoor_search_1shot',
        'indoor_search_3shot',
    }
    for part in report.values():
        assert len(part['trials']) == 4
        for one in (part['mean'], *part['trials']):
            assert all(type(value) is float for value in one.values())
            assert one['r1'] <= one['r5'] <= one['r10'] <= one['r20'] <= 1


def test_row_order_index_base_and_tensors_do_not_matter():
    arrays, perms = made_up()
    expected = evaluate_sysu(*arrays, perms, shots=(1,), trials=3)
    order = np.random.default_rng(1).permutation(len(arrays[0]))
    shuffled = [array[order] for array in arrays]
    shuffled[4] = shuffled[4] - 1
    found = evaluate_sysu(
        *map(torch.from_numpy, shuffled), perms, shots=(1,), trials=3
    )
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-12)


def test_camera_three_ignores_all_of_camera_two():
    # The nearest image is of another person at camera 2: it must not count
    # for a camera-3 query, and must count for a camera-6 query.
    features = np.array([[0.0], [0.1], [1.0]])
    pids, perms = (
        [1, 2, 1],
        {1: {1: np.ones((1, 1), int)}, 2: {2: np.ones((1, 1), int)}},
    )
    for cam, first in ((3, 1.0), (6, 0.0)):
        report = evaluate_sysu(
            features,
            pids,
            [cam, 2, 1],
            [1, 0, 0],
            [1, 1, 1],
            perms,
            ('all',),
            (1,),
            1,
            distance='euclidean',
        )
        assert report[0]['all_single/rank1'] == first


def test_random_seeded_draw_is_scored():
    arrays, _ = made_up()
    report = evaluate_sysu(*arrays, shots=(1, 2), draw='random_seeded')
    assert len({row['all_single/mAP'] for row in report}) > 1
    with pytest.raises(ValueError, match='rand_perm_cam'):
        evaluate_sysu(*arrays)


@pytest.mark.parametrize('draw', ['official', 'random_seeded'])
def test_expected_ties_give_chance_for_collapsed_features(draw):
    ids, images = 25, 4
    perms = {
        cam: {
            pid: np.tile(np.arange(1, images + 1), (10, 1))
            for pid in range(1, ids + 1)
        }
        for cam in range(1, 7)
    }
    rows = [
        (pid, cam, int(cam in (3, 6)), number)
        for cam in perms
        for pid in perms[cam]
        for number in range(1, images + 1)
    ]
    labels = np.array(rows).T
    report = evaluate_sysu(
        np.ones((len(rows), 8)), *labels, perms, shots=(1, 3), draw=draw
    )
    means = mean_over_trials(report)
    for search in {key.split('/')[0] for key in means}:
        for rank in (1, 5, 10, 20):
            assert abs(means[f'{search}/rank{rank}'] - rank / ids) < 1e-9


def test_wrong_arrays_are_errors():
    (features, pids, camids, modality, index), perms = made_up()
    with pytest.raises(ValueError, match='modality disagrees'):
        evaluate_sysu(features, pids, camids, 1 - modality, index, perms)
    with pytest.raises(ValueError, match='pids has shape'):
        evaluate_sysu(features, pids[1:], camids, modality, index, perms)
    with pytest.raises(ValueError, match='whole'):
        evaluate_sysu(features, pids + 0.5, camids, modality, index, perms)
    with pytest.raises(ValueError, match='modes'):
        evaluate_sysu(
            features, pids, camids, modality, index, perms, ('outdoor',)
        )
    with pytest.raises(ValueError, match='draw'):
        evaluate_sysu(
            features, pids, camids, modality, index, perms, draw='ye'
        )
    with pytest.raises(ValueError, match='distance'):
        evaluate_sysu(
            features,
            pids,
            camids,
            modality,
            index,
            perms,
            shots=(1,),
            distance='l1',
        )
    with pytest.raises(ValueError, match='with 10 shots'):
        evaluate_sysu(features, pids, camids, modality, index, perms)
    bad = features.copy()
    bad[4] = np.nan
    with pytest.raises(ValueError, match='rows 4'):
        evaluate_sysu(bad, pids, camids, modality, index, perms)
    seen = modality == 0
    with pytest.raises(ValueError, match='no query'):
        evaluate_sysu(
            features[seen],
            pids[seen],
            camids[seen],
            modality[seen],
            index[seen],
            perms,
            shots=(1,),
        )


def test_regdb_equals_loops():
    rng = np.random.default_rng(4)
    features = np.round(rng.normal(size=(60, 3)), 1)
    pids, modality = rng.integers(0, 9, 60), rng.integers(0, 2, 60)
    (found,) = evaluate_regdb(
        features, pids, modality, 'euclidean', 'gallery_order'
    )
    assert mean_over_trials([found]) == found
    for name, query in (
        ('visible_to_infrared', 0),
        ('infrared_to_visible', 1),
    ):
        q, g = modality == query, modality != query
        matrix = np.linalg.norm(
            features[q][:, None] - features[g][None], axis=2
        ).round(12)
        cmc, ap, inp = score(
            matrix,
            [(pid, -1) for pid in pids[q]],
            [(pid, 0) for pid in pids[g]],
            unique=False,
        )
        expected = [cmc[0], cmc[4], cmc[9], cmc[19], ap, inp]
        np.testing.assert_allclose(
            [found[f'{name}/{key}'] for key in NAMES], expected, atol=1e-12
        )


def test_trials_are_averaged_and_laid_out_for_files():
    trials = [{'a/rank1': v, 'all_multi/mAP': 2 * v} for v in (0.25, 0.75)]
    assert mean_over_trials(trials) == {'a/rank1': 0.5, 'all_multi/mAP': 1}
    assert report_document(trials) == {
        'a': dict(
            mean=dict(r1=0.5),
            std=dict(r1=0.125**0.5),
            trials=[dict(r1=0.25), dict(r1=0.75)],
        ),
        'all_search_10shot': dict(
            mean=dict(mAP=1),
            std=dict(mAP=0.5**0.5),
            trials=[dict(mAP=0.5), dict(mAP=1.5)],
        ),
    }
    with pytest.raises(ValueError, match='no report'):
        mean_over_trials([])

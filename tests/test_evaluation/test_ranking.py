import itertools

import numpy as np
import pytest
import torch
from matlab_like import score

from mmgl.evaluation.ranking import pairwise_distances, score_galleries
from mmgl.evaluation.ranking.distances import unique_rows


def random_case(rng, ties):
    """Distances, pids and places of a small search."""
    n, m = int(rng.integers(1, 8)), int(rng.integers(1, 30))
    ids = int(rng.integers(1, 7))
    distances = rng.random((n, m))
    if ties:
        distances = np.floor(distances * rng.integers(1, 8))
    return (
        distances,
        rng.integers(0, ids, n),
        rng.integers(0, ids, m),
        rng.integers(0, 3, n),
        rng.integers(0, 4, m),
    )


def assert_same(found, expected):
    cmc, ap, inp = expected
    np.testing.assert_allclose(found.cmc, cmc, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.mAP, ap, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.mINP, inp, rtol=0, atol=1e-12)


@pytest.mark.parametrize('cmc', ['unique_identity', 'standard'])
@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize('places', [False, True])
def test_gallery_order_equals_loops(cmc, ties, places):
    rng = np.random.default_rng(7)
    scored = 0
    for _ in range(150):
        distances, q, g, q_place, g_place = random_case(rng, ties)
        if not places:
            q_place, g_place = np.full(len(q), -1), np.zeros(len(g))
        expected = score(
            distances,
            list(zip(q, q_place, strict=True)),
            list(zip(g, g_place, strict=True)),
            7,
            cmc == 'unique_identity',
        )
        args = dict(
            query_locations=q_place,
            gallery_locations=g_place,
            cmc=cmc,
            max_rank=7,
            ties='gallery_order',
        )
        if expected is None:
            with pytest.raises(ValueError, match='no query has a true match'):
                score_galleries(distances, q, g, **args)
            continue
        scored += 1
        assert_same(score_galleries(distances, q, g, **args)[0], expected)
    assert scored > 60


@pytest.mark.parametrize('ties', ['gallery_order', 'expected'])
def test_many_galleries_equal_single_ones(ties):
    rng = np.random.default_rng(3)
    n, m = 20, 60
    distances = np.floor(rng.random((n, m)) * 30)
    q, g = rng.integers(0, 4, n), rng.integers(0, 4, m)
    q_place, g_place = rng.integers(0, 3, n), rng.integers(0, 3, m)
    members = rng.random((11, m)) < rng.random((11, 1)) * 0.7 + 0.3
    together = score_galleries(
        distances, q, g, members, q_place, g_place, ties=ties
    )
    for member, found in zip(members, together, strict=True):
        (alone,) = score_galleries(
            distances[:, member],
            q,
            g[member],
            None,
            q_place,
            g_place[member],
            ties=ties,
        )
        assert found.num_queries == alone.num_queries
        assert_same(found, (alone.cmc, alone.mAP, alone.mINP))


@pytest.mark.parametrize('cmc', ['unique_identity', 'standard'])
def test_expected_equals_mean_over_all_orders(cmc):
    rng = np.random.default_rng(11)
    for _ in range(25):
        m = int(rng.integers(2, 7))
        distances = np.floor(rng.random((1, m)) * rng.integers(1, 4))
        g = rng.integers(0, 3, m)
        q = g[:1]
        (found,) = score_galleries(distances, q, g, cmc=cmc, max_rank=4)
        expected = [
            score(
                distances[:, order],
                [(q[0], -1)],
                [(g[i], 0) for i in order],
                4,
                cmc == 'unique_identity',
            )
            for order in map(list, itertools.permutations(range(m)))
        ]
        assert_same(
            found,
            [np.mean(part, axis=0) for part in zip(*expected, strict=True)],
        )


@pytest.mark.parametrize('cmc', ['unique_identity', 'standard'])
def test_expected_does_not_see_gallery_order(cmc):
    rng = np.random.default_rng(5)
    distances = np.floor(rng.random((30, 80)) * 10)
    q, g = rng.integers(0, 6, 30), rng.integers(0, 6, 80)
    order = rng.permutation(80)
    (first,) = score_galleries(distances, q, g, cmc=cmc)
    (second,) = score_galleries(distances[:, order], q, g[order], cmc=cmc)
    assert_same(first, (second.cmc, second.mAP, second.mINP))
    # The rule of MATLAB does see it, which is why it is not the default.
    (first,) = score_galleries(distances, q, g, cmc=cmc, ties='gallery_order')
    (second,) = score_galleries(
        distances[:, order], q, g[order], cmc=cmc, ties='gallery_order'
    )
    assert abs(first.mAP - second.mAP) > 1e-4


@pytest.mark.parametrize('cmc', ['unique_identity', 'standard'])
def test_collapsed_features_score_at_chance(cmc):
    """A model that maps every image to one point must look useless."""
    ids, each = 20, 3
    pids = np.repeat(np.arange(ids), each)
    features = np.ones((ids * each, 4))
    (found,) = score_galleries(
        pairwise_distances(features, features),
        pids,
        pids,
        cmc=cmc,
        max_rank=ids * each,
    )
    if cmc == 'unique_identity':
        chance = np.minimum(np.arange(1, ids * each + 1) / ids, 1)
        np.testing.assert_allclose(found.cmc, chance, atol=1e-12)
    rng = np.random.default_rng(0)
    runs = [
        score_galleries(
            rng.random((60, 60)), pids, pids, cmc=cmc, max_rank=60
        )[0]
        for _ in range(60)
    ]
    assert abs(found.mAP - np.mean([run.mAP for run in runs])) < 0.006
    assert abs(found.mINP - np.mean([run.mINP for run in runs])) < 0.006
    mean = np.mean([run.cmc for run in runs], axis=0)
    assert abs(found.cmc - mean).max() < 0.03


def test_cmc_kinds_differ_where_people_repeat():
    # Two images of person 2, then one of person 1.
    args = np.array([[1.0, 2.0, 3.0]]), [1], [2, 2, 1]
    (unique,) = score_galleries(*args, cmc='unique_identity', max_rank=3)
    (standard,) = score_galleries(*args, cmc='standard', max_rank=3)
    assert unique.cmc.tolist() == [0, 1, 1]
    assert standard.cmc.tolist() == [0, 0, 1]
    assert unique.mAP == standard.mAP == unique.mINP == 1 / 3


def test_small_gallery_keeps_last_value():
    (found,) = score_galleries(np.array([[0.3]]), [1], [1])
    assert found.cmc.shape == (20,)
    assert found.as_dict() == dict(
        rank1=1, rank5=1, rank10=1, rank20=1, mAP=1, mINP=1
    )
    (short,) = score_galleries(np.array([[2.0, 1.0]]), [1], [1, 2], max_rank=2)
    assert short.as_dict('all', (1, 5)) == {
        'all/rank1': 0,
        'all/rank5': 1,
        'all/mAP': 0.5,
        'all/mINP': 0.5,
    }


def test_queries_without_match_are_left_out():
    distances = np.array([[1.0, 2.0], [1.0, 2.0]])
    (found,) = score_galleries(distances, [1, 9], [1, 2])
    assert found.num_queries == 1
    assert found.mAP == 1


def test_nan_and_shapes_are_errors():
    good = np.ones((2, 3))
    bad = good.copy()
    bad[1, 2] = np.nan
    with pytest.raises(ValueError, match=r'NaN or Inf in 1 rows.*\[1\]'):
        score_galleries(bad, [1, 1], [1, 1, 1])
    with pytest.raises(ValueError, match='query_pids'):
        score_galleries(good, [1], [1, 1, 1])
    with pytest.raises(ValueError, match='gallery_pids'):
        score_galleries(good, [1, 1], [1, 1])
    with pytest.raises(ValueError, match='query_pids has NaN'):
        score_galleries(good, [1, np.nan], [1, 1, 1])
    with pytest.raises(ValueError, match='ties'):
        score_galleries(good, [1, 1], [1, 1, 1], ties='optimistic')
    with pytest.raises(ValueError, match='cmc'):
        score_galleries(good, [1, 1], [1, 1, 1], cmc='cmc')
    with pytest.raises(ValueError, match='both'):
        score_galleries(good, [1, 1], [1, 1, 1], query_locations=[1, 1])
    with pytest.raises(ValueError, match='members'):
        score_galleries(good, [1, 1], [1, 1, 1], members=np.ones((1, 3)))


def test_features_with_nan_name_the_rows():
    features = np.ones((4, 2), np.float32)
    features[[1, 3], 0] = np.nan, np.inf
    with pytest.raises(ValueError, match='2 of 4 rows.*1, 3'):
        pairwise_distances(features, np.ones((3, 2)))


@pytest.mark.parametrize('metric', ['cosine', 'euclidean'])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_equal_rows_get_bitwise_equal_distances(metric, dtype):
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(40, 33)).astype(dtype)
    gallery = gallery[rng.integers(0, 40, 333)]
    query = rng.normal(size=(17, 33)).astype(dtype)
    distances = pairwise_distances(query, gallery, metric)
    for one, other in itertools.pairwise(np.lexsort(gallery.T)):
        same = (gallery[one] == gallery[other]).all()
        equal = (distances[:, one] == distances[:, other]).all()
        assert same == equal


@pytest.mark.parametrize('offset', [0, 3, 1e6])
@pytest.mark.parametrize('scale', [1, 1e-162, 1e160])
@pytest.mark.parametrize('levels', [None, 10, 2])
@pytest.mark.filterwarnings('ignore:overflow')
def test_euclidean_ranks_as_plain_sums(offset, levels, scale):
    """Order and ties are those of squares summed one after another."""
    rng = np.random.default_rng(1)
    query, gallery = rng.normal(size=(9, 6)), rng.normal(size=(200, 6))
    if levels:
        query = np.round(query * levels) / levels
        gallery = np.round(gallery * levels) / levels
    query, gallery = (query + offset) * scale, (gallery + offset) * scale
    plain = np.zeros((9, 200))
    for dim in range(6):
        plain += (query[:, None, dim] - gallery[None, :, dim]) ** 2
    plain = np.sqrt(plain)
    found = pairwise_distances(query, gallery, 'euclidean')
    np.testing.assert_allclose(found, plain, rtol=1e-6)
    for one, other in zip(found, plain, strict=True):
        assert ((one[:, None] < one) == (other[:, None] < other)).all()


def test_cosine_equals_definition_and_accepts_tensors():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(5, 8)), rng.normal(size=(6, 8))
    norm = np.linalg.norm
    expected = -a @ b.T / norm(a, axis=1)[:, None] / norm(b, axis=1)
    np.testing.assert_allclose(pairwise_distances(a, b), expected, atol=1e-12)
    half = pairwise_distances(
        torch.tensor(a).bfloat16(), torch.tensor(b).requires_grad_()
    )
    np.testing.assert_allclose(half, expected, atol=2e-2)
    assert (pairwise_distances(np.zeros((1, 8)), b) == 0).all()


def test_inputs_stay_as_they_are():
    rng = np.random.default_rng(2)
    arrays = [
        rng.normal(size=(5, 8)),
        rng.normal(size=(6, 8)),
        np.arange(5) % 2,
        np.arange(6) % 2,
        np.arange(5) % 3,
        np.arange(6) % 3,
    ]
    for array in arrays:
        array.flags.writeable = False
    for metric in ('cosine', 'euclidean'):
        distances = pairwise_distances(*arrays[:2], metric)
        distances.flags.writeable = False
        score_galleries(distances, *arrays[2:4], None, *arrays[4:])


@pytest.mark.parametrize('cmc', ['unique_identity', 'standard'])
def test_blocks_do_not_change_scores(cmc):
    rng = np.random.default_rng(9)
    distances = np.floor(rng.random((50, 40)) * 12)
    q, g = rng.integers(0, 5, 50), rng.integers(0, 5, 40)
    (whole,) = score_galleries(distances, q, g, cmc=cmc)
    for memory in (1, 40 * 8 * 7, 10**9):
        (parts,) = score_galleries(distances, q, g, cmc=cmc, memory=memory)
        assert_same(whole, (parts.cmc, parts.mAP, parts.mINP))
    with pytest.raises(ValueError, match='memory=0'):
        score_galleries(distances, q, g, memory=0)


@pytest.mark.parametrize('ties', ['gallery_order', 'expected'])
@pytest.mark.parametrize('cmc', ['unique_identity', 'standard'])
@pytest.mark.parametrize('far', [False, True])
def test_long_galleries_are_sorted_in_part(cmc, ties, far, monkeypatch):
    """Only up to the last match, where that is near; ties included."""
    rng = np.random.default_rng(4)
    q, g = np.arange(6), rng.integers(0, 400, 20_000)
    distances = np.round(rng.random((6, 20_000)), 3)
    if not far:
        distances[q[:, None] == g] /= 10
    args = distances, q, g
    options = dict(cmc=cmc, ties=ties)
    (found,) = score_galleries(*args, **options)
    monkeypatch.setattr('mmgl.evaluation.ranking.match_ranks._LONG', 10**9)
    (whole,) = score_galleries(*args, **options)
    assert found.as_dict() == whole.as_dict()


@pytest.mark.parametrize('dims', [3, 40])
def test_unique_rows(dims):
    rng = np.random.default_rng(0)
    array = np.ones((60, dims), dtype=np.float32)
    array[:, -2:] = rng.integers(-1, 2, (60, 2))  # the rest is no help
    array[array == 0] *= rng.choice([-1, 1], (array == 0).sum())
    first, inverse = unique_rows(array)
    distinct = []
    for number, row in enumerate(array.tolist()):
        if row not in distinct:
            assert first[len(distinct)] == number
            distinct.append(row)
        assert inverse[number] == distinct.index(row)
    assert len(first) == len(distinct) == 9
    assert np.array_equal(unique_rows(array[first])[1], np.arange(9))

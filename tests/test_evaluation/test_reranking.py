import time
import tracemalloc

import numpy as np
import pytest

from mmgl.evaluation.ranking import rerank
from mmgl.evaluation.ranking.rerank import (
    Reranking,
    nearest_columns,
    reranked_distances,
)
from mmgl.evaluation.ranking.scoring import score_galleries


def published(query, gallery, k1, k2, weight):
    """The public algorithm as nested loops, in double precision."""
    every = np.concatenate([query, gallery]).astype(float)
    n, total = len(query), len(query) + len(gallery)
    squares = np.array([((every - one) ** 2).sum(1) for one in every])
    farthest = squares.max(axis=1, keepdims=True)
    squares = squares / np.where(farthest > 0, farthest, 1)
    ranks = np.argsort(squares, axis=1, kind='stable')

    def mutual(one, k):
        forward = ranks[one, : k + 1].tolist()
        return [j for j in forward if one in ranks[j, : k + 1].tolist()]

    codes = np.zeros((total, total))
    for one in range(total):
        members = own = set(mutual(one, k1))
        for other in sorted(own):
            theirs = set(mutual(other, int(np.around(k1 / 2))))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members = members | theirs
        members = sorted(members)
        codes[one, members] = np.exp(-squares[one, members])
        codes[one] /= codes[one].sum() or 1
    if k2 > 1:
        codes = np.array([codes[ranks[i, :k2]].mean(0) for i in range(total)])
    result = np.empty((n, total - n))
    for i in range(n):
        for j in range(n, total):
            least = np.minimum(codes[i], codes[j]).sum()
            result[i, j - n] = (1 - weight) * (1 - least / (2 - least))
            result[i, j - n] += weight * squares[i, j]
    return result


def people(seed, n=40, m=30, dims=6, ids=8, noise=0.6):
    rng = np.random.default_rng(seed)
    pids = rng.integers(0, ids, n + m)
    features = rng.normal(size=(ids, dims))[pids]
    features += noise * rng.normal(size=features.shape)
    return features[:n], features[n:], pids[:n], pids[n:]


@pytest.mark.parametrize(
    ('k1', 'k2', 'weight'),
    [(20, 6, 0.3), (7, 1, 0.0), (5, 3, 0.5), (10, 14, 1.0), (99, 6, 0.3)],
)
@pytest.mark.parametrize('ids', [1, 8, 60])
def test_it_is_the_published_algorithm(k1, k2, weight, ids):
    query, gallery, *_ = people(k1 + ids, 32, 28, ids=ids)
    found = reranked_distances(
        query, gallery, 'euclidean', Reranking(k1, k2, weight)
    )
    expected = published(query, gallery, k1, k2, weight)
    rows = found.rows(np.arange(len(query)))
    assert rows.dtype == np.float32 and np.isfinite(rows).all()
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_cosine_normalises_and_scale_does_not_matter():
    query, gallery, *_ = people(3)
    unit = [
        part / np.linalg.norm(part, axis=1, keepdims=True)
        for part in (query, gallery)
    ]
    expected = published(*unit, 20, 6, 0.3)
    some = np.array([5, 0, 31])
    for factor in (1, 1e-20, 1e25):
        found = reranked_distances(factor * query, factor * gallery)
        np.testing.assert_allclose(found.rows(some), expected[some], atol=1e-6)


def test_equal_images_are_tied_and_a_collapsed_model_is_at_chance():
    query, gallery, query_pids, gallery_pids = people(1)
    gallery[10:20] = gallery[0]
    query[4] = gallery[0]
    found = reranked_distances(query, gallery, 'euclidean').rows(np.r_[:40])
    np.testing.assert_allclose(
        found, published(query, gallery, 20, 6, 0.3), atol=1e-6
    )
    flat = reranked_distances(np.ones((40, 3)), np.ones((30, 3)))
    assert len(np.unique(flat.rows(np.arange(40)))) == 1
    (score,) = score_galleries(flat, query_pids, gallery_pids)
    known = np.isin(query_pids, gallery_pids)
    others = len(np.unique(gallery_pids))
    assert score.num_queries == known.sum() and score.cmc[0] < 2 / others


def test_small_memory_and_small_blocks_change_nothing(monkeypatch):
    query, gallery, *_ = people(2)
    expected = reranked_distances(query, gallery).rows(np.arange(40))
    monkeypatch.setattr(rerank, '_BLOCK_BYTES', 3000)
    monkeypatch.setattr(rerank, '_ENTRIES', 50)
    found = reranked_distances(query, gallery, memory=1000)
    np.testing.assert_allclose(found.rows(np.arange(40)), expected, atol=1e-6)


@pytest.mark.parametrize('count', [1, 4, 9, 12])
def test_nearest_columns_are_those_of_a_stable_sort(count):
    block = np.random.default_rng(count).integers(0, 4, (200, 9)).astype('f4')
    wanted = np.argsort(block, axis=1, kind='stable')[:, :count]
    assert np.array_equal(nearest_columns(block, count), wanted)


def test_it_helps_where_neighbours_are_of_one_person():
    query, gallery, *pids = people(5, 80, 80, noise=0.75)
    plain, better = (
        score_galleries(distances, *pids)[0].mAP
        for distances in (
            np.linalg.norm(query[:, None] - gallery[None], axis=2),
            reranked_distances(query, gallery, 'euclidean', Reranking(12)),
        )
    )
    assert better > plain + 0.02


@pytest.mark.parametrize(
    'wrong',
    [
        *({'k1': 0}, {'k2': 1.5}, {'k1': True}, {'lambda': 1.1}),
        *({'lambda': float('nan')}, {'k3': 4}, {'k1': 'many'}, 'yes', [20]),
    ],
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ValueError, match='rerank'):
        Reranking.read(wrong)


def test_settings_are_read():
    assert Reranking.read(None) is Reranking.read(False) is None
    assert Reranking.read(True) == Reranking(20, 6, 0.3)
    how = Reranking.read({'lambda': 0.1, 'k1': 30})
    assert how == Reranking(30, 6, 0.1)
    assert Reranking.read(how.as_dict()) == how


@pytest.mark.slow  # the size of SYSU-MM01
def test_time_and_memory_at_the_size_of_sysu():
    query, gallery, *_ = people(0, 3803, 3010, 2048, 96, 2.0)
    query, gallery = query.astype('f4'), gallery.astype('f4')
    tracemalloc.start()
    start = time.process_time()
    found = reranked_distances(query, gallery)
    for first in range(0, 3803, 512):
        rows = found.rows(np.arange(first, min(first + 512, 3803)))
        assert np.isfinite(rows).all()
    seconds = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 10 and peak < 2**30

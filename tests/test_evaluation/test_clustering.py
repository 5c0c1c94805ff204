"""Clusters of features; what the neighbours are, test_reranking.py says."""

import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from mmgl.evaluation.clustering import cluster_images
from mmgl.evaluation.ranking import Reranking, jaccard_graph, rerank


def people(seed=0, ids=12, images=10, width=16, noise=0.15):
    rng = np.random.default_rng(seed)
    pids = rng.permutation(np.repeat(np.arange(ids), images))
    features = rng.normal(size=(ids, width))[pids]
    return features + noise * rng.normal(size=features.shape), pids


def published(features, k1, k2):
    """Jaccard distances of all pairs, as nested loops."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    squares = np.array([((unit - one) ** 2).sum(axis=1) for one in unit])
    ranks = np.argsort(squares, axis=1, kind='stable')
    scaled = squares / squares.max(axis=1, keepdims=True)
    n = len(unit)

    def mutual(one, k):
        forward = ranks[one, : k + 1].tolist()
        return {j for j in forward if one in ranks[j, : k + 1].tolist()}

    codes = np.zeros((n, n))
    for one in range(n):
        members = own = mutual(one, k1)
        for other in sorted(own):
            theirs = mutual(other, int(np.around(k1 / 2)))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members = members | theirs
        members = sorted(members)
        codes[one, members] = np.exp(-scaled[one, members])
        codes[one] /= codes[one].sum()
    codes = np.array([codes[ranks[i, :k2]].mean(axis=0) for i in range(n)])
    least = np.minimum(codes[:, None], codes[None]).sum(axis=2)
    return (1 - least / (2 - least)).clip(0)


@pytest.mark.parametrize('radius', [0.3, 0.6, 0.99])
def test_the_graph_is_the_near_part_of_the_published_distances(
    radius, monkeypatch
):
    # Blocks of a few rows.
    monkeypatch.setattr(rerank, '_BLOCK_BYTES', 9000)
    features, _ = people(noise=0.8)
    expected = published(features, 8, 3)
    # Nothing is so near to the radius that rounding decides.
    assert np.abs(expected - radius).min() > 1e-6
    graph = jaccard_graph(features, radius, how=Reranking(8, 3)).tocoo()
    near = np.zeros(expected.shape, dtype=bool)
    near[graph.row, graph.col] = True
    assert np.array_equal(near, expected <= radius)
    assert 0 < near.mean() < 1
    wanted = expected[graph.row, graph.col]
    np.testing.assert_allclose(graph.data, wanted, atol=1e-6)


@pytest.mark.parametrize('noise', [0.15, 0.8])
def test_clusters_are_those_of_all_distances(noise):
    features, _ = people(noise=noise)
    dense = DBSCAN(eps=0.6, min_samples=4, metric='precomputed')
    expected = dense.fit_predict(published(features, 8, 3))
    found = cluster_images(features, k1=8, k2=3)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)


def test_separable_people_are_found_without_a_fault():
    features, pids = people()
    found = cluster_images(features, k1=10)
    assert found.min() == 0 and found.max() == 11
    assert adjusted_rand_score(pids, found) == 1
    assert normalized_mutual_info_score(pids, found) == pytest.approx(1)


def test_equal_images_are_one_cluster():
    features, _ = people(ids=3)
    same = np.repeat(-features[:1], 10, axis=0)
    found = cluster_images(np.concatenate([features, same]), k1=9)
    assert len(set(found[30:])) == 1 and found[30] not in (-1, *found[:30])

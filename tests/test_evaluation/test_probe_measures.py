import numpy as np
import pytest

from mmgl.evaluation.probe import (
    canonical_order,
    effective_rank,
    half_split,
    knn_accuracy,
    linear_accuracy,
    standardise,
)


def clusters(ids=8, images=6, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    pids = np.repeat(np.arange(ids), images)
    features = np.eye(ids)[pids] + noise * rng.normal(size=(len(pids), ids))
    return features, pids


def naive_knn(
    features, pids, queries, query_pids, groups, query_groups, k, temperature
):
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    hits = {}
    for q, pid, group in zip(queries, query_pids, query_groups, strict=True):
        near = []
        for i in range(len(unit)):
            if groups[i] != group:
                near.append((unit[i] @ q / np.linalg.norm(q), pids[i]))
        if pid not in [p for _, p in near]:
            continue
        votes = {}
        for score, p in sorted(near, reverse=True)[:k]:
            votes[p] = votes.get(p, 0) + np.exp(score / temperature)
        hits.setdefault(pid, []).append(max(votes, key=votes.get) == pid)
    return np.mean([np.mean(of_one) for of_one in hits.values()])


@pytest.mark.parametrize('k', [1, 4, 1000])
def test_knn_against_a_loop(k):
    rng = np.random.default_rng(k)
    known, asked = rng.normal(size=(60, 5)), rng.normal(size=(40, 5))
    pids, query_pids = rng.integers(6, size=60), rng.integers(8, size=40)
    groups, query_groups = rng.integers(3, size=60), rng.integers(4, size=40)
    got, chance = knn_accuracy(
        known, pids, asked, query_pids, groups, query_groups, k, 0.3
    )
    want = naive_knn(
        known, pids, asked, query_pids, groups, query_groups, k, 0.3
    )
    assert got == pytest.approx(want)
    assert chance == pytest.approx(1 / 6)


def test_separable_features_are_named_right():
    known, asked = clusters(seed=0), clusters(seed=1)
    assert knn_accuracy(*known, *asked) == (1, 1 / 8)
    assert linear_accuracy(*known, *asked) == (1, 1 / 8)


def test_random_labels_stay_near_chance():
    rng = np.random.default_rng(0)
    features, asked = rng.normal(size=(2, 400, 6))
    pids, query_pids = rng.integers(5, size=(2, 400))
    # Three standard deviations of a share of 400 around 1 in 5.
    for probe in (knn_accuracy, linear_accuracy):
        accuracy, chance = probe(features, pids, asked, query_pids)
        assert abs(accuracy - chance) < 3 * np.sqrt(0.2 * 0.8 / 400)


def test_labels_count_alike():
    """Nine of ten images are of one label: naming it always is chance."""
    rng = np.random.default_rng(0)
    labels = (np.arange(400) % 10 == 0).astype(int)
    features, asked = rng.normal(size=(2, 400, 2))
    for probe in (knn_accuracy, linear_accuracy):
        accuracy, chance = probe(features, labels, asked, labels)
        assert chance == 0.5
        # The rare label has 40 images.
        assert abs(accuracy - chance) < 3 * np.sqrt(0.25 / 40) / 2 + 0.03


def test_collapsed_features_score_at_chance():
    pids = np.repeat(np.arange(5), 4)
    same = np.ones((20, 3))
    accuracy, chance = knn_accuracy(same, pids, same, pids)
    assert accuracy == pytest.approx(chance) == 0.2


def test_tied_neighbours_share_the_last_places():
    # One image of 0 is nearest; two images tie for the second place. On
    # average they give half a vote each: 0 wins with 1 against 0.5 + 0.5.
    features = np.array([[1.0, 0], [1, 1], [1, 1]])
    accuracy, _ = knn_accuracy(
        features, [0, 1, 2], [[1.0, 0]], [0], neighbours=2, temperature=1e9
    )
    assert accuracy == 1
    # Both of one identity: 1 against 1, half the credit.
    accuracy, _ = knn_accuracy(
        features, [0, 1, 1], [[1.0, 0]], [0], neighbours=2, temperature=1e12
    )
    assert accuracy == pytest.approx(0.5)


def test_leave_one_out_does_not_see_the_image_itself():
    features, pids = np.eye(4), np.array([0, 0, 1, 1])
    everyone = np.arange(4)
    assert knn_accuracy(features, pids, features, pids, neighbours=1)[0] == 1
    # All others tie: of three neighbours one is right.
    accuracy, _ = knn_accuracy(
        features, pids, features, pids, everyone, everyone, neighbours=1
    )
    assert accuracy == 0


def test_wrong_options_and_impossible_queries():
    features, pids = clusters()
    with pytest.raises(ValueError, match='neighbours=0'):
        knn_accuracy(features, pids, features, pids, neighbours=0)
    with pytest.raises(ValueError, match='no query'):
        knn_accuracy(features, pids, features, pids + 100)
    with pytest.raises(ValueError, match='two labels'):
        linear_accuracy(features, 0 * pids, features, pids)
    with pytest.raises(ValueError, match='NaN'):
        knn_accuracy(features, pids, np.nan * features, pids)


def test_half_split_alternates_inside_groups():
    pids = np.array([2, 1, 1, 1, 2, 1])
    index = np.array([9, 4, 1, 3, 7, 2])
    train = half_split(index, pids)
    assert train.tolist() == [False, False, True, True, True, False]
    order = np.random.default_rng(0).permutation(6)
    np.testing.assert_array_equal(
        half_split(index[order], pids[order]), train[order]
    )


def test_canonical_order_counts_the_first_label_most():
    a, b = np.array([1, 0, 1, 0]), np.array([0, 5, -1, 3])
    assert canonical_order(a, b).tolist() == [3, 1, 2, 0]


def test_standardise():
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, size=(50, 4))
    features[:, 1] = 0.1
    groups = np.arange(50) % 2
    features[groups == 1] += 10
    got = standardise(features, groups)
    for group in (0, 1):
        mine = features[groups == group]
        want = (mine - mine.mean(axis=0)) / np.where(
            np.arange(4) == 1, 1, mine.std(axis=0)
        )
        np.testing.assert_allclose(got[groups == group], want, atol=1e-9)
    assert (got[:, 1] == 0).all()


@pytest.mark.parametrize('shape', [(40, 6), (6, 40)])
def test_effective_rank(shape):
    rng = np.random.default_rng(0)
    features = rng.normal(size=shape) + 3
    values = np.linalg.svd(features - features.mean(axis=0))[1]
    values = values[values > 1e-9 * values[0]]
    shares = values / values.sum()
    want = np.exp(-(shares * np.log(shares)).sum())
    assert effective_rank(features) == pytest.approx(want, rel=1e-6)
    assert effective_rank(np.ones(shape)) == 0
    # One direction only.
    line = np.outer(np.arange(shape[0]), np.ones(shape[1]))
    assert effective_rank(line) == pytest.approx(1)

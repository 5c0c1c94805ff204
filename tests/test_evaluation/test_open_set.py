import numpy as np
import pytest

from mmgl.evaluation.ranking import distances_between, pairwise_distances
from mmgl.evaluation.ranking.distances import MatrixDistances
from mmgl.evaluation.ranking.open_set import (
    Nearest,
    nearest_of_each,
    open_set_figures,
    thresholds,
)


def searches(seed, levels=None, n=60, m=50):
    rng = np.random.default_rng(seed)
    pids = rng.integers(0, 9, n), rng.integers(0, 8, m)
    places = rng.integers(0, 3, n), rng.integers(0, 3, m)
    features = [rng.normal(size=(k, 3)) for k in (n, m)]
    if levels:
        features = [np.round(levels * part) / levels for part in features]
    members = rng.random((3, m)) < 0.6
    return features, pids, members, places


def by_loops(distances, pids, member, places, limits, own_only):
    """TPIR and FPIR at thresholds, query by query."""
    mated = answers = right = searched = 0
    found = []
    for limit in limits:
        mated = answers = right = searched = 0
        for row, pid, place in zip(distances, pids[0], places[0], strict=True):
            seen = [
                (row[k], pids[1][k])
                for k in np.flatnonzero(member)
                if places[1][k] != place or (own_only and pids[1][k] != pid)
            ]
            without = [d for d, other in seen if other != pid]
            searched += 1
            answers += bool(without) and min(without) < limit
            own = [d for d, other in seen if other == pid]
            if own:
                mated += 1
                first = min(own)
                rival = min(without, default=np.inf)
                right += first < limit and first < rival
        found.append((right / mated, answers / searched))
    return found


@pytest.mark.parametrize('own_only', [False, True])
@pytest.mark.parametrize('levels', [None, 1])
@pytest.mark.parametrize('metric', ['cosine', 'euclidean'])
def test_rates_equal_those_of_loops(metric, levels, own_only):
    features, pids, members, places = searches(4, levels)
    matrix = pairwise_distances(*features, metric)
    distances = MatrixDistances(matrix)
    for memory in (None, 1000):
        nearest = nearest_of_each(
            distances, pids, members, places, memory, own_only
        )
        for one, member in zip(nearest, members, strict=True):
            limits = thresholds([one.others])
            loops = by_loops(
                matrix, pids, member, places, limits.values(), own_only
            )
            curve = open_set_figures(one)
            chosen = open_set_figures(one, limits)
            assert list(curve) == ['TPIR1', 'TPIR10']
            for name, rate, (tpir, fpir) in zip(
                limits, (0.01, 0.1), loops, strict=True
            ):
                assert curve[f'TPIR{name}'] == chosen[f'TPIR{name}'] == tpir
                assert chosen[f'FPIR{name}'] == fpir <= rate


def test_the_threshold_is_the_largest_that_keeps_the_rate():
    others = np.random.default_rng(0).permutation(np.arange(1000) / 1000)
    limits = thresholds([others[:300], others[300:]])
    # Searches answer below it: 10 of 1000, and 100 of 1000.
    assert limits == {'1': 0.01, '10': 0.1}
    assert thresholds([np.arange(30.0)]) == {'1': 0, '10': 3}
    tied = thresholds([np.repeat([0.5, 1.0], [15, 85])])
    assert tied == {'1': 0.5, '10': 0.5}  # rather none than 15 %


def test_known_values():
    own = np.array([0.1, 0.2, 0.3, np.inf])
    others = np.array([0.2, 0.2, 0.1, 0.4])
    limits = {'1': 0.15, '10': 0.25}
    found = open_set_figures(Nearest(own, others), limits)
    # The second is tied with another person, the fourth is not there.
    assert found == {'TPIR1': 1 / 3, 'TPIR10': 1 / 3} | {
        'FPIR1': 0.25,
        'FPIR10': 0.75,
    }
    with pytest.raises(ValueError, match='no query has a true match'):
        open_set_figures(Nearest(np.full(2, np.inf), np.ones(2)))


def test_a_collapsed_model_finds_nobody():
    pids = np.arange(20) % 5, np.arange(10) % 5
    distances = distances_between(np.ones((20, 2)), np.ones((10, 2)))
    (nearest,) = nearest_of_each(distances, pids)
    assert open_set_figures(nearest) == {'TPIR1': 0, 'TPIR10': 0}

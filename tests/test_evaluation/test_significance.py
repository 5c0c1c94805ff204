from itertools import product

import numpy as np
import pytest

from mmgl.evaluation.ranking import score_galleries
from mmgl.evaluation.significance import (
    NAMES,
    bootstrap_intervals,
    compare_people,
)


def scored(seed, noise=1.0, people=8, trials=3, **how):
    """Scores of ten queries or so of each person, in several galleries."""
    rng = np.random.default_rng(0)
    pids = rng.integers(0, people, 60), rng.integers(0, people, 90)
    members = rng.random((trials, 90)) < 0.5
    same = pids[0][:, None] == pids[1]
    distances = noise * np.random.default_rng(seed).random((60, 90)) - same
    return (
        distances,
        pids,
        members,
        score_galleries(distances, *pids, members, by_person=True, **how),
    )


def people_of(scores):
    sums = np.stack([one.people[1] for one in scores], axis=1)
    return [(scores[0].people[0], sums)]


def figures_of(score):
    figures = score.as_dict().values()
    return dict(zip(NAMES, figures, strict=True))


@pytest.mark.parametrize('cmc', ['standard', 'unique_identity'])
def test_sums_of_people_are_those_of_their_queries_alone(cmc):
    distances, pids, members, scores = scored(1, 2.0, cmc=cmc)
    plain = score_galleries(distances, *pids, members, cmc=cmc)
    for member, score, other in zip(members, scores, plain, strict=True):
        assert score.mAP == pytest.approx(other.mAP, abs=1e-12)
        np.testing.assert_allclose(score.cmc, other.cmc, atol=1e-12)
        for pid, sums in zip(*score.people, strict=True):
            mine = pids[0] == pid
            (alone,) = score_galleries(
                distances[mine], pids[0][mine], pids[1], member[None], cmc=cmc
            )
            assert sums[-1] == alone.num_queries == mine.sum()
            expected = [alone.mAP * sums[-1], alone.mINP * sums[-1]]
            np.testing.assert_allclose(sums[-3:-1], expected)
            np.testing.assert_allclose(
                np.cumsum(sums[:-3]), alone.cmc * sums[-1], atol=1e-12
            )


def test_people_at_two_places_are_one():
    _, pids, members, _ = scored(1)
    places = np.arange(60) % 3, np.arange(90) % 3 + 1
    distances = np.random.default_rng(2).random((60, 90))
    one, *_ = score_galleries(
        distances, *pids, members, *places, by_person=True
    )
    assert one.people[0].tolist() == sorted(set(pids[0].tolist()))
    assert one.people[1][:, -1].sum() == one.num_queries


def test_intervals_are_those_of_people_drawn_one_by_one():
    *_, scores = scored(3, 3.0)
    found = bootstrap_intervals(people_of(scores), 2000, seed=7)
    rng = np.random.default_rng(1)
    drawn = {'r1': [], 'mAP': []}
    for _ in range(2000):
        chosen = rng.integers(0, 8, 8)
        for name, place in (('r1', 0), ('mAP', -3)):
            means = []
            for score in scores:
                sums = score.people[1][chosen].sum(axis=0)
                means.append(sums[place] / sums[-1])
            drawn[name].append(np.mean(means))
    for name, values in drawn.items():
        expected = np.quantile(values, [0.025, 0.975])
        np.testing.assert_allclose(found[name], expected, atol=0.015)
        mean = np.mean([figures_of(one)[name] for one in scores])
        assert found[name][0] < mean < found[name][1]
    again = bootstrap_intervals(people_of(scores), 2000, seed=7)
    assert found == again != bootstrap_intervals(people_of(scores), 2000, 8)


def test_the_p_value_is_that_of_all_swaps():
    first, second = scored(4, 2.0)[-1], scored(5, 2.3)[-1]
    found = compare_people(people_of(first), people_of(second), 300)
    each = np.mean(
        [
            (a.people[1] - b.people[1])[:, -3] / a.num_queries
            for a, b in zip(first, second, strict=True)
        ],
        axis=0,
    )
    gap = np.mean([a.mAP - b.mAP for a, b in zip(first, second, strict=True)])
    assert found['mAP']['difference'] == pytest.approx(gap, abs=1e-12)
    swapped = [each @ signs for signs in product((1, -1), repeat=8)]
    larger = np.mean(np.abs(swapped) >= abs(gap) - 1e-12)
    assert found['mAP']['p'] == pytest.approx(larger)
    low, high = found['mAP']['interval']
    assert low < gap < high


def test_what_is_alike_does_not_differ_and_what_differs_does():
    scores, worse = scored(6, 2.0)[-1], scored(7, 6.0)[-1]
    same = compare_people(people_of(scores), people_of(scores), 500)
    for name in NAMES:
        assert same[name] == dict(difference=0, interval=[0, 0], p=1)
    found = compare_people(people_of(scores), people_of(worse), 500)['mAP']
    assert found['p'] < 0.02 and found['interval'][0] > 0


def test_sets_of_people_are_drawn_apart_and_only_like_ones_compare():
    first, second = (people_of(scored(n, 3.0)[-1]) for n in (1, 2))
    both = bootstrap_intervals([*first, *second], 3000)['mAP']
    widths = [
        np.ptp(bootstrap_intervals(one, 3000)['mAP'])
        for one in (first, second)
    ]
    assert np.ptp(both) == pytest.approx(np.hypot(*widths) / 2, rel=0.1)
    with pytest.raises(ValueError, match='same trials'):
        compare_people(first, [*first, *second], 10)
    (pids, sums), *_ = second
    with pytest.raises(ValueError, match='same images'):
        compare_people(first, [(pids + 1, sums)], 10)
    sums = sums.copy()
    sums[0, :, -1] += 1
    with pytest.raises(ValueError, match='same images'):
        compare_people(first, [(pids, sums)], 10)

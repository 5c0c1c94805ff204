"""The fast ranking against nested loops, on random small searches.

Few distinct distances (many ties), galleries smaller than the CMC is long,
empty galleries, identities that are missing on one side, and places that
hide images all come up often. Some hundred cases take a few seconds; the
slow tests take thousands.
"""

import itertools
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matlab_like import score

from mmgl.evaluation.ranking import Share, match_ranks, score_galleries
from mmgl.evaluation.ranking.device_ranks import DeviceDistances

MAX_RANK = 3  # fewer than there are identities


@st.composite
def searches(draw, most=14, galleries=5):
    """A pool, its galleries and queries of a few identities and places."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, most))
    t, ids = draw(st.integers(1, galleries)), draw(st.integers(1, 5))
    levels = draw(st.sampled_from([1, 2, 4, 1000]))

    def integers(shape, high):
        return draw(arrays(np.int64, shape, elements=st.integers(0, high)))

    distances = integers((n, m), levels)
    return SimpleNamespace(
        distances=distances.astype(draw(st.sampled_from(['f4', 'f8', 'i8']))),
        q=integers(n, ids),
        g=integers(m, ids),
        q_place=integers(n, 2),
        g_place=integers(m, 3),
        members=integers((t, m), 3) > 0,
        cmc=draw(st.sampled_from(['unique_identity', 'standard'])),
    )


class TensorRows:
    """A matrix that claims to lie on an accelerator."""

    memory, max_rows = 2**28, 512
    rank_matches = staticmethod(DeviceDistances.rank_matches)

    def __init__(self, matrix):
        self.matrix, self.shape = torch.from_numpy(matrix), matrix.shape
        self.itemsize = matrix.itemsize

    def rows(self, index, out=None):
        return self.matrix[torch.from_numpy(index)]


def run(case, ties, distances=None, **options):
    """Flat figures of all galleries, or None if one has no match."""
    if distances is None:
        distances = case.distances
    try:
        found = score_galleries(
            distances,
            case.q,
            case.g,
            case.members,
            case.q_place,
            case.g_place,
            cmc=case.cmc,
            max_rank=MAX_RANK,
            ties=ties,
            **options,
        )
    except ValueError as error:
        assert 'no query has a true match' in str(error)
        return None
    return np.array([[*one.cmc, one.mAP, one.mINP] for one in found])


def loop(case, order=slice(None)):
    """The same by nested loops, tied images as they come in ``order``."""
    found = []
    for member in case.members:
        columns = np.arange(len(member))[order]
        columns = columns[member[columns]]
        one = score(
            case.distances[:, columns],
            list(zip(case.q, case.q_place, strict=True)),
            list(zip(case.g[columns], case.g_place[columns], strict=True)),
            MAX_RANK,
            case.cmc == 'unique_identity',
        )
        if one is None:
            return None
        found.append([*one[0], *one[1:]])
    return np.array(found)


def assert_same(found, expected):
    assert (found is None) == (expected is None)
    if found is not None:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def check_loops(case):
    assert_same(run(case, 'gallery_order'), loop(case))


def check_orders(case):
    found = run(case, 'expected')
    orders = itertools.permutations(range(len(case.g)))
    expected = [loop(case, list(order)) for order in orders]
    assert_same(
        found, None if expected[0] is None else np.mean(expected, axis=0)
    )


def check_ways(case, ties, rows, cache, long, world_size):
    """Blocks, parts, the search in long rows, tensors and processes."""
    whole = run(case, ties)
    memory = rows * case.distances.itemsize * len(case.g)
    with mock.patch.multiple(
        match_ranks,
        _CACHE_BYTES=cache,
        _LEAST_ROWS=1,
        _LONG=0 if long else 2**14,
    ):
        one = run(case, ties, memory=memory)
    assert_same(one, whole)
    assert_same(run(case, ties, TensorRows(case.distances)), whole)

    parts = []

    class Enough(Exception):
        pass

    def keep(sums):
        parts.append(sums)
        raise Enough

    for rank in range(world_size):
        with pytest.raises(Enough):
            run(case, ties, memory=memory, share=Share(rank, world_size, keep))
    # No query is ranked twice, none is left out.
    assert (
        np.count_nonzero(np.abs(parts).sum(axis=(2, 3)), axis=0) <= 1
    ).all()
    several = run(
        case,
        ties,
        memory=memory,
        share=Share(0, world_size, lambda _: sum(parts)),
    )
    again = run(case, ties, memory=memory)
    assert (several is None) == (again is None)
    assert several is None or (several == again).all()


WAYS = dict(
    case=searches(),
    ties=st.sampled_from(['expected', 'gallery_order']),
    rows=st.integers(1, 4),
    cache=st.sampled_from([1, 50, 2**21]),
    long=st.booleans(),
    world_size=st.integers(1, 4),
)
SMALL = searches(most=5, galleries=2)


def often(count):
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@often(250)
@given(searches())
def test_gallery_order_equals_loops(case):
    check_loops(case)


@often(60)
@given(SMALL)
def test_expected_equals_mean_over_orders(case):
    check_orders(case)


@often(120)
@given(**WAYS)
def test_all_ways_agree(**arguments):
    check_ways(**arguments)


@pytest.mark.slow
@often(4000)
@given(searches(most=30))
def test_gallery_order_equals_loops_thousands(case):
    check_loops(case)


@pytest.mark.slow
@often(1000)
@given(SMALL)
def test_expected_equals_mean_over_orders_thousand(case):
    check_orders(case)


@pytest.mark.slow
@often(3000)
@given(**WAYS)
def test_all_ways_agree_thousands(**arguments):
    check_ways(**arguments)

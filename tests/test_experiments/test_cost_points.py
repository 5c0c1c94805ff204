"""Fig. 1 from records of Table IV."""

import pytest

from mmgl.experiments.cells import Cell
from mmgl.experiments.figures import cost_points


def record(rank, **seconds):
    return {'metrics': {'all_single/rank1': rank}, 'seconds': seconds}


def test_cost_is_the_mean_of_what_was_timed():
    records = {
        Cell('mini', 'agw', 'random', 0): record(4.0),
        Cell('mini', 'agw', 'psl', 0): record(10.0, pretrain=60.0),
        Cell('mini', 'agw', 'psl', 1): record(20.0, pretrain=100.0),
        # Interrupted and put together from two runs: not timed.
        Cell('mini', 'agw', 'psl', 2): record(30.0),
        Cell('mini', 'agw', 'byol', 0): record(9.0),
    }
    points = {p['label']: p for p in cost_points('mini', records)}
    assert points.keys() == {'random', 'PSL'}
    assert points['random']['seconds'] == 0
    assert points['PSL']['seconds'] == pytest.approx(80)
    assert points['PSL']['accuracy'] == pytest.approx(20)
    assert points['PSL']['spread'] == pytest.approx(10)


def test_a_row_that_failed_has_no_point():
    failed = {'metrics': 'fail', 'seconds': {'pretrain': 60.0}}
    assert cost_points('mini', {Cell('mini', 'agw', 'swav', 0): failed}) == []

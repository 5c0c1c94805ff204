import random

import numpy as np
import pytest
import torch

from mmgl.datasets import Draw, rng_scope
from mmgl.datasets.randomness import check_seed


def numbers():
    """One number from each global generator."""
    return random.random(), np.random.rand(), torch.rand(()).item()


def scoped(draw):
    with rng_scope(draw):
        return numbers()


DRAW = Draw(index=5, seed=1, epoch=2, position=3, pair=1)


def test_same_key_same_numbers():
    first = scoped(DRAW)
    numbers()
    assert scoped(DRAW) == first
    # The index is no part of the key.
    assert scoped(DRAW._replace(index=8)) == first


@pytest.mark.parametrize(
    'change',
    [dict(seed=2), dict(epoch=3), dict(position=4), dict(seed=2, epoch=1)],
)
def test_other_key_other_numbers(change):
    other = scoped(DRAW._replace(**change))
    assert all(a != b for a, b in zip(scoped(DRAW), other, strict=True))


def test_states_are_restored():
    np.random.randn()  # leaves a cached second gaussian in the state
    before = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    with pytest.raises(RuntimeError, match='inside'), rng_scope(DRAW):
        numbers()
        np.random.randn()
        raise RuntimeError('inside')
    after = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    assert before[0] == after[0]
    assert all(
        np.array_equal(a, b) for a, b in zip(before[1], after[1], strict=True)
    )
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize('draw', [3, None, np.int64(3)])
def test_without_draw_nothing_changes(draw):
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with rng_scope(draw):
        first = torch.rand(())
    assert torch.equal(torch.stack([first, torch.rand(())]), expected)


def test_generator_is_keyed_by_pair_and_stream():
    first = DRAW.generator('a').random(4)
    same = DRAW._replace(index=9, position=7).generator('a').random(4)
    assert np.array_equal(first, same)
    for other in (
        DRAW.generator('b'),
        DRAW._replace(pair=2).generator('a'),
        DRAW._replace(epoch=0).generator('a'),
    ):
        assert not np.array_equal(first, other.random(4))


def test_positions_do_not_correlate():
    # Neighbouring keys must give unrelated numbers; 3 sigma of the mean
    # product of 2000 pairs is 0.0056 for uniform numbers around 0.5.
    values = (
        np.array([scoped(DRAW._replace(position=p)) for p in range(2001)])
        - 0.5
    )
    assert np.abs((values[1:] * values[:-1]).mean(axis=0)).max() < 0.008
    assert np.abs(values.mean(axis=0)).max() < 0.03


@pytest.mark.parametrize('seed', [-1, 2**32, 1.5, True, '3'])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match='seed'):
        check_seed(seed)

import itertools
import math

import numpy as np
import pytest
import torch

from mmgl.structures import permutation_codes, permutation_set


def distances(rows):
    """Hamming distances of all pairs."""
    return np.array(
        [
            sum(a != b for a, b in zip(x, y, strict=True))
            for x, y in itertools.combinations(rows.tolist(), 2)
        ]
    )


@pytest.mark.parametrize(
    'tiles, size, nearest, mean',
    [(4, 24, 2, 0.78), (6, 30, 4, 0.85), (6, 100, 3, 0.84), (9, 100, 6, 0.89)],
)
def test_rows_are_permutations_far_apart(tiles, size, nearest, mean):
    rows = permutation_set(tiles, size)
    assert rows.shape == (size, tiles) and rows.dtype == np.int64
    assert len(np.unique(rows, axis=0)) == size
    assert (np.sort(rows, axis=1) == np.arange(tiles)).all()
    apart = distances(rows)
    # By the average alone 2 would be left (2 of 4, 3 and 6 here).
    assert apart.min() == nearest
    assert apart.mean() / tiles > mean


def test_all_of_four_tiles():
    rows = permutation_set(4, 24)
    assert set(map(tuple, rows.tolist())) == set(
        itertools.permutations(range(4))
    )


def test_greedy_choice_equals_a_naive_loop():
    tiles, size = 4, 9
    order = np.random.default_rng(3).permutation(math.factorial(tiles))
    everything = list(itertools.permutations(range(tiles)))
    everything = [everything[i] for i in order]

    def apart(x, y):
        return sum(a != b for a, b in zip(x, y, strict=True))

    chosen = [everything[0]]
    while len(chosen) < size:
        rest = [row for row in everything if row not in chosen]
        chosen.append(
            max(
                rest,
                key=lambda row: (
                    min(apart(row, c) for c in chosen),
                    sum(apart(row, c) for c in chosen),
                ),
            )
        )
    assert permutation_set(tiles, size, 3).tolist() == [
        list(row) for row in chosen
    ]


def test_seed_decides_and_the_result_is_kept():
    assert (permutation_set(6, 20, 1) != permutation_set(6, 20, 2)).any()
    first = permutation_set(6, 20, 1).copy()
    permutation_set.cache_clear()
    assert (permutation_set(6, 20, 1) == first).all()
    assert permutation_set(6, 20, 1) is permutation_set(6, 20, 1)
    with pytest.raises(ValueError):
        permutation_set(6, 20, 1)[0, 0] = 1


def test_codes_name_permutations():
    rows = permutation_set(4, 24)
    codes = permutation_codes(rows)
    assert len(set(codes.tolist())) == 24
    assert codes[0] == sum(
        value * 4 ** (3 - place) for place, value in enumerate(rows[0])
    )
    assert torch.equal(
        permutation_codes(torch.from_numpy(rows.copy())),
        torch.from_numpy(codes),
    )


@pytest.mark.parametrize('args', [(1, 2), (10, 100), (4, 25), (4, 1)])
def test_impossible_sets_are_refused(args):
    with pytest.raises(ValueError, match='choose'):
        permutation_set(*args)

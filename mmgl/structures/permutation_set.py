"""Sets of permutations that differ in many places, for jigsaw puzzles.

The data set draws from such a set and the model names its members, so both
make it from the same three numbers instead of sharing a file.
"""

from functools import lru_cache
from itertools import permutations
from math import factorial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

MAX_TILES = 9
Numbers = TypeVar('Numbers', npt.NDArray[np.int64], Tensor)


@lru_cache(maxsize=16)
def permutation_set(
    num_tiles: int, size: int, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Choose permutations with a large Hamming distance to each other.

    Noroozi and Favaro, "Unsupervised Learning of Visual Representations by
    Solving Jigsaw Puzzles" (ECCV 2016), add greedily what is farthest on
    average from those chosen so far; near-duplicates then stay in the set.
    Here the distance to the nearest one decides, then the average, then the
    seed's random order.

    Takes 2 to 9 tiles n and a size of 2 to n!. The result is a read-only
    array of shape ``(size, n)`` without repeated rows; place ``i`` of a
    shuffled image shows tile ``row[i]``.
    """
    if not 2 <= num_tiles <= MAX_TILES:
        raise ValueError(
            f'a puzzle has 2 to {MAX_TILES} tiles, got '
            f'{num_tiles}; choose a smaller grid'
        )
    if not 2 <= size <= factorial(num_tiles):
        raise ValueError(
            f'num_permutations={size} is not possible with {num_tiles} '
            f'tiles; choose 2 to {factorial(num_tiles)}'
        )
    everything = np.array(list(permutations(range(num_tiles))), dtype=np.uint8)
    order = np.random.default_rng(seed).permutation(len(everything))
    everything = everything[order]
    chosen = everything[_farthest(everything, size)].astype(np.int64)
    chosen.setflags(write=False)
    return chosen


def _farthest(rows: npt.NDArray[np.uint8], size: int) -> list[int]:
    """Return indices of rows far from each other, greedily from the first."""
    columns = np.ascontiguousarray(rows.T)
    nearest = np.full(len(rows), len(columns), dtype=np.int64)
    total = np.zeros(len(rows), dtype=np.int64)
    chosen = [0]
    while len(chosen) < size:
        last = columns[:, chosen[-1]]
        distance = np.zeros(len(rows), dtype=np.uint8)
        for column, value in zip(columns, last, strict=True):
            distance += column != value
        np.minimum(nearest, distance, out=nearest)
        total += distance
        # Nearest first, then the total, which is below size * tiles. A
        # chosen row is 0 away from itself and so never the largest.
        score = nearest * (size * len(columns) + 1) + total
        score[chosen] = -1
        chosen.append(int(score.argmax()))
    return chosen


def permutation_codes(permutations: Numbers) -> Numbers:
    """Write permutations ``(..., n)`` as numbers ``(...)`` in base n."""
    num = permutations.shape[-1]
    code = permutations[..., 0]
    for place in range(1, num):
        code = code * num + permutations[..., place]
    return code

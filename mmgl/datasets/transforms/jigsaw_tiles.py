"""Cutting an image into the shuffled tiles of a jigsaw puzzle."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from mmgl.registry import TRANSFORMS
from mmgl.structures import permutation_set

from ..checks import check
from ..randomness import check_seed, keyed_generator
from ..types import Image, Ints, Results
from .base import Transform


def cut_tiles(
    img: Image, grid: Sequence[int], tile: Sequence[int], offsets: Ints
) -> list[Image]:
    """Cut one tile out of every cell of a grid of rows and columns.

    The grid divides the image ``(H, W[, C])``, a tile of ``(height, width)``
    fits in a cell, and ``offsets`` ``(rows * columns, 2)`` are the places of
    the tiles in their cells. Tiles come row by row and are views of ``img``.
    """
    height, width = img.shape[0] // grid[0], img.shape[1] // grid[1]
    cells = product(range(grid[0]), range(grid[1]))
    tiles = []
    for (row, column), (down, right) in zip(cells, offsets, strict=True):
        top, left = row * height + down, column * width + right
        tiles.append(img[top : top + tile[0], left : left + tile[1]])
    return tiles


@TRANSFORMS.register_module()
class JigsawTiles(Transform):
    """Make the tiles of an image the views of a sample, in another order.

    Follows Noroozi and Favaro, "Unsupervised Learning of Visual
    Representations by Solving Jigsaw Puzzles" (ECCV 2016): a tile sits at a
    random place inside its cell, so that edges do not go on in the next
    tile, and the order is drawn from a fixed set of permutations that differ
    much. View ``i`` shows cell ``permutation[i]``, counted row by row from
    0. Comes after all other augmentations, right before ``PackReIDInputs``.

    With a draw of a sampler the randomness depends on (seed, epoch,
    position); with a plain index on the index, so it is fixed then.

    Required keys: ``img``, and ``draw`` or ``sample_idx``. Modified: ``img``
    becomes the list of tiles. Added: ``permutation``, int64 of shape
    ``(rows * columns,)``.

    Args:
        grid: Rows and columns.
        gap: Share of a cell, each way, that a tile leaves free; rounded up
            to whole pixels. 1/6 is 64 of 75 pixels as published, nearly,
            and 80 of 96.
        num_permutations: Size of the set. The head must have the same.
        seed: Seed of the set. The head must have the same.
    """

    def __init__(
        self,
        grid: Sequence[int] = (3, 3),
        gap: float = 1 / 6,
        num_permutations: int = 100,
        seed: int = 0,
    ) -> None:
        fits = len(grid) == 2 and min(grid) > 0
        check('JigsawTiles.grid', grid, fits, 'two positive numbers')
        check('JigsawTiles.gap', gap, 0 <= gap < 1, 'at least 0 and below 1')
        self.grid = grid[0], grid[1]
        self.gap = gap
        self.num_permutations = num_permutations
        self.seed = check_seed(seed)
        # Made here, before workers are forked.
        self._permutations = permutation_set(
            grid[0] * grid[1], num_permutations, self.seed
        )

    def transform(self, results: Results) -> Results:
        """Replace ``results['img']`` by tiles and record their order."""
        draw = results.get('draw')
        # The images of a pair have the same number, but puzzles of their own.
        key = (results['sample_idx'],) if draw is None else draw[1:4]
        rng = keyed_generator(key, f'jigsaw {self.seed} {self.grid}')
        permutation = self._permutations[rng.integers(len(self._permutations))]
        tile, free = self._sizes(results['img'].shape)
        offsets = rng.integers(np.add(free, 1), size=(len(permutation), 2))
        tiles = cut_tiles(results['img'], self.grid, tile, offsets)
        results['img'] = [tiles[cell] for cell in permutation]
        results['permutation'] = permutation.copy()
        return results

    def _sizes(self, shape: Sequence[int]) -> tuple[list[int], list[int]]:
        """Height and width of a tile, and of what it leaves free."""
        if shape[0] % self.grid[0] or shape[1] % self.grid[1]:
            raise ValueError(
                f'JigsawTiles: grid={self.grid} does not divide an image of '
                f'{shape[0]} x {shape[1]} pixels; change the size or the '
                'grid.'
            )
        cell = [shape[0] // self.grid[0], shape[1] // self.grid[1]]
        # 1 / 6 is not exact: without the margin 16.000001 would give 17.
        free = [math.ceil(side * self.gap - 1e-6) for side in cell]
        tile = [side - out for side, out in zip(cell, free, strict=True)]
        if min(tile) < 1:
            raise ValueError(
                f'JigsawTiles: gap={self.gap} leaves nothing of a cell of '
                f'{cell[0]} x {cell[1]} pixels.'
            )
        return tile, free

"""Cutting an image into shuffled stripes or the tiles of a puzzle."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from mmgl.registry import TRANSFORMS
from mmgl.structures import permutation_set
from mmgl.utils.errors import ConfigError
from mmgl.utils.images import as_contiguous

from ..checks import check
from ..randomness import check_seed, keyed_generator
from ..types import Image, Ints, Results
from .base import Transform


def shuffle_stripes(img: Image, permutation: Ints) -> Image:
    """Return a new image with its horizontal stripes in another order.

    Place ``i`` of the result shows stripe ``permutation[i]`` of ``img``,
    counted from 0. Their number must divide the height.
    """
    height, num = img.shape[0], len(permutation)
    if height % num:
        raise ConfigError(
            f'SharedStripeShuffle: height {height} of the image is no '
            f'multiple of num_stripes={num}; change the image size or '
            'num_stripes.'
        )
    stripes = as_contiguous(img).reshape(num, height // num, *img.shape[1:])
    shuffled: Image = stripes[permutation].reshape(img.shape)
    return shuffled


@TRANSFORMS.register_module()
class SharedStripeShuffle(Transform):
    """Shuffle stripes by one permutation per cross-modal pair (MMGL).

    The paper's Sec. III: N stripes of size ``(H / N, W)``, one permutation,
    uniform over all N!, shared by the two images of a pair, see
    :func:`shuffle_stripes`. Use it after all other augmentations, so that
    none of them reveals the seams. With a draw of a sampler the permutation
    depends on (seed, epoch, pair); with a plain index on (seed, index).

    Required keys: ``img``, and ``draw`` or ``sample_idx``. Modified: ``img``.
    Added: ``permutation``, int64 of shape ``(N,)``.

    Args:
        num_stripes: Number of stripes N, at least 2; divides the height.
        seed: Seed, mixed with the key above.
    """

    def __init__(self, num_stripes: int = 6, seed: int = 0) -> None:
        fits = isinstance(num_stripes, int) and num_stripes > 1
        key = 'SharedStripeShuffle.num_stripes'
        check(key, num_stripes, fits, 'a whole number above 1')
        self.num_stripes = num_stripes
        self.seed = check_seed(seed)

    def transform(self, results: Results) -> Results:
        """Shuffle ``results['img']`` and record the permutation."""
        draw = results.get('draw')
        stream = f'stripe shuffle {self.seed}'
        if draw is None:
            rng = keyed_generator((results['sample_idx'],), stream)
        else:
            rng = draw.generator(stream)
        permutation = rng.permutation(self.num_stripes).astype(np.int64)
        img = shuffle_stripes(results['img'], permutation)
        return results | dict(img=img, permutation=permutation)


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

    Follows Noroozi and Favaro (ECCV 2016): a tile sits at a random place
    inside its cell, so that edges do not go on in the next tile, and the
    order is drawn from a fixed set, see :func:`permutation_set`. View ``i``
    shows cell ``permutation[i]``, counted row by row from 0. Comes right
    before ``PackReIDInputs``. With a draw of a sampler the randomness depends
    on (seed, epoch, position); with a plain index on the index.

    Required keys: ``img``, and ``draw`` or ``sample_idx``. Modified: ``img``
    becomes the list of tiles. Added: ``permutation``, int64 of shape
    ``(rows * columns,)``.

    Args:
        grid: Rows and columns.
        gap: Share of a cell, each way, that a tile leaves free; rounded up
            to whole pixels. 1/6 is 64 of 75 pixels as published, nearly,
            and 80 of 96.
        num_permutations: Size of the set; the head must have the same.
        seed: Seed of the set; the head must have the same.
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
            raise ConfigError(
                f'JigsawTiles: grid={self.grid} does not divide an image of '
                f'{shape[0]} x {shape[1]} pixels; change the size or the '
                'grid.'
            )
        cell = [shape[0] // self.grid[0], shape[1] // self.grid[1]]
        # 1 / 6 is not exact: without the margin 16.000001 would give 17.
        free = [math.ceil(side * self.gap - 1e-6) for side in cell]
        tile = [side - out for side, out in zip(cell, free, strict=True)]
        if min(tile) < 1:
            raise ConfigError(
                f'JigsawTiles: gap={self.gap} leaves nothing of a cell of '
                f'{cell[0]} x {cell[1]} pixels.'
            )
        return tile, free

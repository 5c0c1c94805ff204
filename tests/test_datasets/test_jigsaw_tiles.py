import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmgl.datasets import Draw
from mmgl.datasets.transforms import (
    EpochStages,
    JigsawTiles,
    PackReIDInputs,
    cut_tiles,
)
from mmgl.models.data_preprocessors import ReIDDataPreprocessor
from mmgl.structures import permutation_set


def coordinates(height, width):
    """Image whose channels are row, column and 0."""
    img = np.zeros((height, width, 3), np.float32)
    img[..., 0] = np.arange(height)[:, None]
    img[..., 1] = np.arange(width)
    return img


def draw(position=0, epoch=0, seed=0):
    return Draw(0, seed, epoch, position, position // 2)


def results(height=36, width=18, **keys):
    return dict(
        img=coordinates(height, width),
        sample_idx=5,
        pid=1,
        camid=1,
        index=1,
        modality=0,
        img_path='a.jpg',
        **keys,
    )


# ---------------------------------------------------------------------- tiles
@pytest.mark.parametrize('grid', [(2, 2), (3, 2), (3, 3), (6, 1)])
def test_coordinates_invert_exactly(grid):
    step = JigsawTiles(grid=grid, num_permutations=6)
    cell = 36 // grid[0], 18 // grid[1]
    for position in range(20):
        out = step(results(draw=draw(position)))
        assert len(out['img']) == len(out['permutation']) == np.prod(grid)
        for tile, place in zip(out['img'], out['permutation'], strict=True):
            top, left = tile[0, 0, :2].astype(int)
            # The tile is a piece of the image, of its own cell.
            piece = coordinates(36, 18)[
                top : top + tile.shape[0], left : left + tile.shape[1]
            ]
            assert (tile == piece).all()
            corners = tile[[0, -1], [0, -1], :2].astype(int)
            for row, column in corners:
                assert (row // cell[0]) * grid[1] + column // cell[1] == place


@pytest.mark.parametrize(
    'size, grid, tile',
    [
        ((288, 144), (3, 3), (80, 40)),
        ((288, 144), (2, 2), (120, 60)),
        ((288, 144), (3, 2), (80, 60)),
        ((96, 48), (3, 3), (26, 13)),
        ((96, 48), (2, 2), (40, 20)),
    ],
)
def test_sizes_of_tiles(size, grid, tile):
    step = JigsawTiles(grid=grid, num_permutations=24)
    assert {t.shape[:2] for t in step(results(*size))['img']} == {tile}


def test_every_offset_occurs_and_without_a_gap_none():
    step = JigsawTiles(grid=(2, 2), gap=1 / 3, num_permutations=24)
    seen = set()
    for position in range(200):
        out = step(results(12, 12, draw=draw(position)))
        for tile, place in zip(out['img'], out['permutation'], strict=True):
            cell = np.array([place // 2 * 6, place % 2 * 6])
            seen.add(tuple((tile[0, 0, :2] - cell).astype(int)))
    assert seen == {(a, b) for a in range(3) for b in range(3)}
    step = JigsawTiles(grid=(2, 2), gap=0, num_permutations=24)
    whole = sum(tile.size for tile in step(results())['img'])
    assert whole == coordinates(36, 18).size


def test_permutations_are_those_of_the_set():
    step = JigsawTiles(grid=(3, 2), num_permutations=10, seed=4)
    rows = set(map(tuple, permutation_set(6, 10, 4).tolist()))
    seen = {
        tuple(step(results(draw=draw(n)))['permutation']) for n in range(200)
    }
    assert seen == rows


def test_randomness_follows_the_draw_alone():
    step = JigsawTiles(grid=(3, 3))

    def run(**keys):
        np.random.rand()
        out = step(results(**keys))
        return out['permutation'].tolist(), np.stack(out['img']).tolist()

    assert run(draw=draw(3)) == run(draw=draw(3))
    # Another puzzle for the other image of the pair, in the next epoch, ...
    others = [draw(2), draw(3, epoch=1), draw(3, seed=1)]
    assert all(run(draw=draw(3)) != run(draw=other) for other in others)
    # Fixed for evaluation.
    assert run() == run()


def test_tiles_become_rows_of_the_batch():
    step = JigsawTiles(grid=(2, 2), num_permutations=24)
    items = [PackReIDInputs()(step(results(draw=draw(n)))) for n in range(3)]
    batch = ReIDDataPreprocessor(to_rgb=False)(pseudo_collate(items))
    assert batch['inputs'].shape == (12, 3, 15, 7)
    targets = batch['targets']
    assert targets['source'].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert targets['view'].tolist() == [0, 1, 2, 3] * 3
    assert targets['permutation'].shape == (12, 4)
    expected = items[1]['data_samples'].permutation
    assert np.array_equal(targets['permutation'][4], expected)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match='does not divide'):
        JigsawTiles(grid=(5, 1))(results())
    with pytest.raises(ValueError, match='leaves nothing'):
        JigsawTiles(grid=(3, 3), gap=0.99)(results())
    for wrong in (dict(grid=(3,)), dict(grid=(0, 3)), dict(gap=1.0)):
        with pytest.raises(ValueError, match='JigsawTiles'):
            JigsawTiles(**wrong)


def test_cut_tiles_keeps_other_dimensions():
    grey = np.arange(16).reshape(4, 4)
    tiles = cut_tiles(grey, (2, 2), (1, 1), np.ones((4, 2), int))
    assert [tile.item() for tile in tiles] == [5, 7, 13, 15]


# --------------------------------------------------------------------- stages
def mark(name):

    def step(results):
        return dict(results, stage=name)

    return step


def test_stages_change_at_exact_epochs():
    step = EpochStages(34, [[mark(n)] for n in range(3)])
    stages = [
        step(dict(draw=draw(epoch=epoch)))['stage'] for epoch in range(110)
    ]
    assert stages == [0] * 34 + [1] * 34 + [2] * 42
    step = EpochStages((1, 3, 1), [[mark(n)] for n in range(3)])
    assert [step.stage_of(epoch) for epoch in range(6)] == [0, 1, 1, 1, 2, 2]
    # A plain index: the last one.
    assert step({})['stage'] == 2


def test_wrong_stages_are_refused():
    for wrong in ((5, []), (0, [[]]), ((1, 2), [[]])):
        with pytest.raises(ValueError, match='EpochStages'):
            EpochStages(*wrong)
    with pytest.raises(TypeError, match='EpochStages.stages.0'):
        EpochStages(5, ['RandomFlip'])


class Epochs:
    """Sampler that asks for one image an epoch."""

    epoch = 0

    def __iter__(self):
        yield draw(epoch=self.epoch)

    def __len__(self):
        return 1


class Staged:
    """Data set of one image whose tiles depend on the epoch."""

    step = EpochStages(
        2, [[JigsawTiles((2, 2), num_permutations=24)], [JigsawTiles((3, 2))]]
    )

    def __getitem__(self, draw):
        return len(self.step(results(draw=draw))['img'])


def test_workers_that_live_on_see_the_new_stage():
    """One second: a process is started."""
    sampler = Epochs()
    loader = DataLoader(
        Staged(),
        sampler=sampler,
        batch_size=1,
        num_workers=1,
        persistent_workers=True,
    )
    seen = []
    for sampler.epoch in range(4):
        seen += [int(batch) for batch in loader]
    assert seen == [4, 4, 6, 6]

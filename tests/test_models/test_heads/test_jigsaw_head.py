import math

import pytest
import torch

from mmgl.models.heads import JigsawHead
from mmgl.structures import permutation_set


def head(**keys):
    return JigsawHead(
        **{**dict(in_channels=8, num_tiles=9, num_permutations=100), **keys}
    )


def loss_of(module, tiles, permutation):
    """Of tiles (B, n, C) in the order (B, n), as rows of a batch."""
    size, n = permutation.shape
    number = torch.arange(size * n)
    targets = dict(
        source=number // n,
        view=number % n,
        permutation=permutation.repeat_interleave(n, dim=0),
    )
    return module.loss(dict(pool=tiles.flatten(0, 1)), targets)


def test_classes_are_rows_of_the_set():
    module = head(seed=3)
    rows = torch.from_numpy(permutation_set(9, 100, 3).copy())
    order = torch.randperm(100)
    assert torch.equal(module.class_of(rows[order]), order)


@pytest.mark.parametrize('tiles, size', [(4, 24), (9, 100)])
def test_loss_starts_at_chance(tiles, size):
    module = head(num_tiles=tiles, num_permutations=size)
    rows = torch.from_numpy(permutation_set(tiles, size).copy())
    loss = loss_of(module, torch.randn(size, tiles, 8), rows)
    # 3.178 for the 24 of four tiles, 4.605 for 100.
    assert loss['loss'].item() == pytest.approx(math.log(size), abs=0.02)


def test_loss_and_accuracy_of_known_logits(monkeypatch):
    module = head(num_tiles=4, num_permutations=24)
    rows = torch.from_numpy(permutation_set(4, 24).copy())[[5, 7]]
    logits = torch.zeros(2, 24)
    logits[0, 5] = 3.0
    logits[1, 6] = 3.0
    monkeypatch.setattr(module, 'forward', lambda tiles: logits)
    out = loss_of(module, torch.zeros(2, 4, 8), rows)
    rest = math.log(23 + math.exp(3))
    assert out['loss'].item() == pytest.approx(
        ((rest - 3) + rest) / 2, rel=1e-5
    )
    assert out['top1'].item() == 0.5


def test_tiles_share_the_projection_and_keep_their_place():
    module = head(num_tiles=4, num_permutations=24).eval()
    tiles = torch.randn(3, 4, 8)
    logits = module(tiles)
    hidden = torch.stack(
        [module.projection(tiles[:, i]) for i in range(4)], dim=1
    )
    # 4 x 1000 inputs count as 512.
    expected = module.fc((512 / 4000) ** 0.5 * hidden.flatten(1))
    assert torch.allclose(logits, expected, atol=1e-6)
    assert not torch.allclose(logits, module(tiles.flip(1)), atol=1e-6)


def test_it_learns_to_order_marked_tiles():
    """Tiles that tell their cell: the order is in the features."""
    torch.manual_seed(0)
    module = head(num_tiles=4, num_permutations=24, hidden_channels=32)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5, momentum=0.9)
    rows = torch.from_numpy(permutation_set(4, 24).copy())
    marks = torch.randn(4, 8)
    for _ in range(40):
        out = loss_of(module, marks[rows], rows)
        optimizer.zero_grad()
        out['loss'].backward()
        optimizer.step()
    assert out['top1'] == 1


def test_other_puzzles_are_refused():
    module = head()
    for wrong in (
        torch.arange(4)[None],  # another number of tiles
        torch.zeros(1, 9, dtype=torch.int64),
    ):
        with pytest.raises(ValueError, match='same grid'):
            module.class_of(wrong)
    # A set of another seed has hardly a permutation in common.
    rows = torch.from_numpy(permutation_set(9, 100, 1).copy())
    with pytest.raises(ValueError, match='seed'):
        module.class_of(rows)


def test_the_set_is_no_part_of_a_checkpoint():
    assert set(head().state_dict()) == {
        'projection.0.weight',
        'projection.1.weight',
        'projection.1.bias',
        'projection.1.running_mean',
        'projection.1.running_var',
        'projection.1.num_batches_tracked',
        'fc.weight',
        'fc.bias',
    }


def test_a_high_learning_rate_does_not_explode():
    """At 0.1 the loss stays near chance while it cannot be learned."""
    torch.manual_seed(0)
    module = head(in_channels=32)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    rows = torch.from_numpy(permutation_set(9, 100).copy())
    losses = []
    for _ in range(20):
        tiles = torch.randn(32, 9, 32)
        out = loss_of(module, tiles, rows[torch.randint(100, (32,))])
        optimizer.zero_grad()
        out['loss'].backward()
        optimizer.step()
        losses.append(out['loss'].item())
    # Without the scale 76.
    assert max(losses) < 2 * math.log(100)

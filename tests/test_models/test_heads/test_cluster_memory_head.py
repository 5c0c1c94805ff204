"""The memory of clusters and its loss, against nested loops."""

import pytest
import torch
from forked_ranks import run_ranks
from torch.nn import functional as F

from mmgl.models.heads import ClusterMemoryHead
from mmgl.models.losses import ClusterContrastiveLoss

T = 0.05


def memory(visible=4, infrared=3, width=6, **kwargs):
    head = ClusterMemoryHead(width, feature='x', **kwargs).double()
    centers = F.normalize(torch.randn(visible + infrared, width), dim=1)
    sides = torch.tensor([0] * visible + [1] * infrared)
    partner = torch.cat(
        [
            visible + torch.randint(infrared, (visible,)),
            torch.randint(visible, (infrared,)),
        ]
    )
    head.fill(centers.double(), sides, partner)
    return head


def batch(head, size=16):
    pids = torch.randint(len(head.centers), (size,))
    rows = torch.randn(size, head.centers.shape[1], dtype=torch.float64)
    targets = dict(pid=pids, modality=head.modality[pids])
    return dict(x=rows.requires_grad_()), targets


def naive(row, centers, own):
    """Minus the log of the share of one of the centers, in plain terms."""
    row = row / row.norm()
    terms = [(row @ center / T).exp() for center in centers]
    return -(terms[own] / sum(terms)).log()


def expected(head, features, targets):
    sums = dict(loss_within=0, loss_across=0)
    for side in (0, 1):
        numbers = torch.arange(len(head.modality))
        mine = numbers[head.modality == side].tolist()
        others = numbers[head.modality != side].tolist()
        rows = [
            (row, int(pid))
            for row, pid in zip(features['x'], targets['pid'], strict=True)
            if head.modality[pid] == side
        ]
        for row, pid in rows:
            one = naive(row, head.centers[mine], mine.index(pid))
            sums['loss_within'] += one / len(rows)
            partner = others.index(int(head.partner[pid]))
            one = naive(row, head.centers[others], partner)
            sums['loss_across'] += head.cross_weight * one / len(rows)
    return sums


def test_losses_and_gradients_are_those_of_loops():
    head = memory()
    features, targets = batch(head)
    wanted = expected(head, features, targets)
    found = head.loss(features, targets)
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert value > 0
        torch.testing.assert_close(found[name], value)
        gradients = [
            torch.autograd.grad(one, features['x'], retain_graph=True)[0]
            for one in (found[name], value)
        ]
        assert gradients[1].abs().max() > 0
        torch.testing.assert_close(*gradients)


def test_centers_move_after_the_loss_and_only_those_met():
    head = memory(momentum=0.3)
    features, targets = batch(head, 5)
    before = head.centers.clone()
    loss = head.loss(features, targets)['loss_within']
    unit = F.normalize(features['x'].detach(), dim=1)
    for number in range(len(before)):
        own = unit[targets['pid'] == number]
        if len(own):
            moved = 0.3 * before[number] + 0.7 * own.mean(dim=0)
            moved = moved / moved.norm()
        else:
            moved = before[number]
        torch.testing.assert_close(head.centers[number], moved)
    assert not torch.equal(head.centers, before)
    # What the loss has kept for its gradient did not move.
    loss.backward()
    assert torch.isfinite(features['x'].grad).all()
    assert not head.centers.requires_grad


def _share(rank, state, rows, pids, world):
    """Losses and centers of a rank with every second of the rows."""
    head = ClusterMemoryHead(6, feature='x').double()
    head.fill(*state)
    own = slice(rank, None, world)
    targets = dict(pid=pids[own], modality=head.modality[pids[own]])
    losses = head.loss(dict(x=rows[own]), targets)
    return {k: v.item() for k, v in losses.items()}, head.centers.tolist()


def test_ranks_have_one_memory(tmp_path):
    head = memory()
    state = head.centers, head.modality, head.partner
    # Each rank has as many rows of each modality.
    pids = torch.tensor([0, 0, 1, 3, 4, 6, 5, 5])
    rows = torch.randn(8, 6, dtype=torch.float64)
    losses, centers = _share(0, state, rows, pids, 1)
    found = run_ranks(tmp_path, _share, state, rows, pids, 2)
    for name, value in losses.items():
        mean = sum(one[name] for one, _ in found) / 2
        assert value > 0 and mean == pytest.approx(value)
    for _, moved in found:
        torch.testing.assert_close(moved, centers)


def test_modalities_weigh_the_same_whatever_their_numbers_of_rows():
    head = memory(cross_weight=0)
    features, targets = batch(head, 12)
    visible = targets['modality'] == 0
    assert 0 < visible.sum() < 12
    rows = torch.cat([features['x'], features['x'][visible]])
    twice = {
        name: torch.cat([value, value[visible]])
        for name, value in targets.items()
    }
    before = head.centers
    once = head.loss(features, targets)['loss_within']
    head.centers = before
    again = head.loss(dict(x=rows), twice)['loss_within']
    torch.testing.assert_close(once, again)


def test_ramp_scales_what_goes_across_alone():
    head = memory()
    features, targets = batch(head)
    before = head.centers
    full = head.loss(features, targets)
    head.centers = before
    head.ramp.fill_(0.25)
    part = head.loss(features, targets)
    torch.testing.assert_close(part['loss_across'], 0.25 * full['loss_across'])
    torch.testing.assert_close(part['loss_within'], full['loss_within'])


def test_the_best_memory_has_no_loss_and_a_far_one_is_finite():
    loss = ClusterContrastiveLoss(temperature=0.01)
    centers = torch.eye(5)
    every, mask = torch.arange(5), torch.ones(5, 5, dtype=torch.bool)
    torch.testing.assert_close(
        loss(1e4 * centers, centers, every, mask), torch.zeros(5)
    )
    worst = loss(-centers, centers, every, mask)
    torch.testing.assert_close(worst, torch.full((5,), 100 + 1.3863))
    zero = loss(torch.zeros(5, 5), centers, every, mask)
    torch.testing.assert_close(zero, torch.full((5,), 5.0).log())


def test_a_checkpoint_has_no_clusters():
    assert set(memory().state_dict()) == {'ramp'}


def test_mistakes_are_named():
    features, targets = batch(memory())
    empty = ClusterMemoryHead(6, feature='x')
    with pytest.raises(ValueError, match='add PseudoLabelHook'):
        empty.loss(features, targets)
    with pytest.raises(ValueError, match="test_feature='x'"):
        empty.fill(torch.zeros(3, 5), torch.zeros(3), torch.zeros(3))
    with pytest.raises(ValueError, match='momentum'):
        ClusterMemoryHead(6, momentum=1.0)
    with pytest.raises(ValueError, match='temperature'):
        ClusterContrastiveLoss(temperature=0)

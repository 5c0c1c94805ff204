import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn import functional as F

from mmgl.models.functional.clusters import match_clusters, moved_centers


@pytest.mark.parametrize('momentum', [0, 0.1, 0.9])
def test_centers_move_to_the_means_of_their_rows(momentum):
    centers = F.normalize(torch.randn(5, 7, dtype=torch.float64), dim=1)
    rows = F.normalize(torch.randn(20, 7, dtype=torch.float64), dim=1)
    labels = torch.randint(-1, 4, (20,))
    found = moved_centers(centers, rows, labels, momentum)
    for number in range(5):
        own = [r for r, n in zip(rows, labels, strict=True) if n == number]
        if not own:
            assert torch.equal(found[number], centers[number])
            continue
        mean = sum(own) / len(own)
        expected = momentum * centers[number] + (1 - momentum) * mean
        torch.testing.assert_close(found[number], expected / expected.norm())
    assert torch.equal(found[4], centers[4])


def test_nothing_moves_without_rows():
    centers = F.normalize(torch.randn(3, 4), dim=1)
    nobody = torch.full((6,), -1)
    found = moved_centers(centers, torch.randn(6, 4), nobody, 0.5)
    assert torch.equal(found, centers)


@pytest.mark.parametrize('seed', range(3))
def test_clusters_are_matched_as_the_best_assignment(seed):
    """With as many of both, and little entropy, the plan is a permutation."""
    torch.manual_seed(seed)
    first = F.normalize(torch.randn(30, 16), dim=1)
    order = torch.randperm(30)
    second = F.normalize(first[order] + 0.1 * torch.randn(30, 16), dim=1)
    there, back = match_clusters(first, second, 0.01)
    cost = torch.cdist(first.double(), second.double()).square().numpy()
    _, best = linear_sum_assignment(cost)
    assert np.array_equal(there.numpy(), best)
    assert torch.equal(back[there], torch.arange(30))
    assert torch.equal(there[order], torch.arange(30))


def test_an_offset_between_the_modalities_plays_no_part():
    """The nearest neighbour would be the same one for all of them."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(12, 8, generator=generator)
    order = torch.randperm(12, generator=generator)
    direction = 5 * F.normalize(torch.randn(8, generator=generator), dim=0)
    second = first[order] + direction
    nearest = torch.cdist(first, second).argmin(dim=1)
    assert not torch.equal(nearest[order], torch.arange(12))
    there, back = match_clusters(first, second, 0.05)
    assert torch.equal(there[order], torch.arange(12))
    assert torch.equal(back, order)


def test_all_have_a_partner_where_numbers_differ():
    first = F.normalize(torch.randn(9, 6), dim=1)
    second = F.normalize(first.repeat(2, 1) + 0.05 * torch.randn(18, 6), dim=1)
    there, back = match_clusters(first, second)
    assert torch.equal(back, torch.arange(9).repeat(2))
    assert torch.equal(there % 9, torch.arange(9))

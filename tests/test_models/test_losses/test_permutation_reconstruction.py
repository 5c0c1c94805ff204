import itertools

import pytest
import torch

from mmgl.models.functional.sinkhorn import sinkhorn, unshuffle_ranks
from mmgl.models.losses import PermutationReconstructionLoss


def permutation_matrix(permutation):
    return torch.nn.functional.one_hot(permutation).float()


def permutations(batch, stripes=6):
    return torch.stack([torch.randperm(stripes) for _ in range(batch)])


@pytest.mark.parametrize(
    'reduction, per_image',
    [('mean', 35 / 12), ('sum_n', 17.5), ('sum', 17.5 * 5)],
)
def test_uniform_value_for_every_permutation(reduction, per_image):
    loss = PermutationReconstructionLoss(noise_factor=0, reduction=reduction)
    value = loss(torch.zeros(5, 6, 6), permutations(5))
    assert value.item() == pytest.approx(per_image, rel=1e-5)


@pytest.mark.parametrize(
    'reduction, start', [('mean', 3.47), ('sum_n', 20.8), ('sum', 2000)]
)
def test_start_with_noise(reduction, start):
    """The figures of docs/pretraining.md, 96 images."""
    torch.manual_seed(0)
    loss = PermutationReconstructionLoss(reduction=reduction)
    values = [
        loss(torch.zeros(96, 6, 6), permutations(96)).item() for _ in range(10)
    ]
    assert sum(values) / 10 == pytest.approx(start, rel=0.01)


def test_true_permutation_gives_zero_and_only_that():
    loss = PermutationReconstructionLoss(noise_factor=0)
    for order in itertools.permutations(range(4)):
        truth = torch.tensor([order])
        value = loss(50 * permutation_matrix(truth), truth)
        assert value.item() == pytest.approx(0, abs=1e-6)
        other = torch.tensor([[1, 2, 3, 0]])
        if list(order) != [1, 2, 3, 0]:
            assert loss(50 * permutation_matrix(other), truth) > 0.1


def test_equals_a_naive_loop_over_samples():
    loss = PermutationReconstructionLoss(num_samples=3, num_iters=5)
    logits, truth = torch.randn(4, 6, 6), permutations(4)
    torch.manual_seed(3)
    value = loss(logits, truth)
    torch.manual_seed(3)
    uniform = torch.rand(4, 3, 6, 6)
    noise = -torch.log(-torch.log(uniform + 1e-20) + 1e-20)
    total = 0.0
    for b in range(4):
        for s in range(3):
            matrix = sinkhorn(logits[b] + noise[b, s], 5)
            for j in range(6):
                rank = sum(matrix[i, j] * (truth[b, i] + 1) for i in range(6))
                total += float((rank - (j + 1)) ** 2)
    assert value.item() == pytest.approx(total / (4 * 3 * 6), rel=1e-5)


def test_without_noise_it_is_plain_sinkhorn_bitwise():
    logits, truth = torch.randn(8, 6, 6), permutations(8)
    ranks = unshuffle_ranks(sinkhorn(logits).unsqueeze(1), truth + 1)
    expected = (ranks - torch.arange(1, 7)).square().mean()
    loss = PermutationReconstructionLoss(noise_factor=0)
    assert torch.equal(loss(logits, truth), expected)


def test_samples_are_averaged():
    logits, truth = torch.randn(4, 6, 6), permutations(4)
    one = PermutationReconstructionLoss(num_samples=1, noise_factor=0)
    ten = PermutationReconstructionLoss(num_samples=10, noise_factor=0)
    assert torch.equal(one(logits, truth), ten(logits, truth))


def test_gradient_descent_recovers_the_permutation():
    truth = permutations(8)
    logits = torch.zeros(8, 6, 6, requires_grad=True)
    loss = PermutationReconstructionLoss()
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss(logits, truth).backward()
        optimizer.step()
    assert (logits.argmax(-1) == truth).all()


@pytest.mark.parametrize(
    'wrong',
    [
        dict(num_samples=0),
        dict(num_iters=0),
        dict(temperature=0),
        dict(reduction='none'),
    ],
)
def test_bad_arguments(wrong):
    with pytest.raises(ValueError):
        PermutationReconstructionLoss(**wrong)

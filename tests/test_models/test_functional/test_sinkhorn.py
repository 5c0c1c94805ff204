import math

import pytest
import torch

from mmgl.models.functional.sinkhorn import (
    gumbel_noise,
    gumbel_sinkhorn,
    sinkhorn,
    unshuffle_ranks,
)


def permutation_matrix(permutation):
    return torch.nn.functional.one_hot(permutation).float()


def test_permutation_matrix_orientation_with_a_three_cycle():
    # A swap is its own inverse and would hide an inverted convention.
    permutation = torch.tensor([[1, 2, 0]])
    matrix = permutation_matrix(permutation)
    expected = torch.tensor([[[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]])
    assert torch.equal(matrix, expected)
    ranks = permutation + 1
    restored = unshuffle_ranks(matrix.unsqueeze(1), ranks)
    assert torch.equal(restored, torch.tensor([[[1.0, 2, 3]]]))


def test_zero_logits_give_uniform_matrix():
    assert torch.allclose(
        sinkhorn(torch.zeros(2, 6, 6)), torch.full((2, 6, 6), 1 / 6)
    )


@pytest.mark.parametrize('tau', [1.0, 0.1, 0.01])
def test_scaled_permutation_has_its_closed_form(tau):
    matrix = permutation_matrix(torch.tensor([[2, 0, 1, 5, 3, 4]]))
    result = sinkhorn(matrix.double() / tau, 20)
    at_truth = (result * matrix).sum() / 6
    expected = 1 / (1 + 5 * math.exp(-1 / tau))
    assert at_truth.item() == pytest.approx(expected, rel=1e-6)


def test_equals_a_naive_loop_and_columns_are_exact():
    logits = torch.randn(3, 5, 5, dtype=torch.float64)
    expected = logits.exp()
    for _ in range(7):
        expected = expected / expected.sum(dim=2, keepdim=True)
        expected = expected / expected.sum(dim=1, keepdim=True)
    result = sinkhorn(logits, 7)
    assert torch.allclose(result, expected, atol=1e-12)
    assert torch.allclose(result.sum(dim=1), torch.ones(3, 5).double())


def test_row_and_column_shifts_and_transposition():
    logits = torch.randn(2, 6, 6, dtype=torch.float64)
    shifted = logits + torch.randn(2, 6, 1) + torch.randn(2, 1, 6)
    base = sinkhorn(logits, 500)
    assert torch.allclose(sinkhorn(shifted, 500), base, atol=1e-9)
    assert torch.allclose(sinkhorn(logits.mT, 500), base.mT, atol=1e-9)


def test_large_logits_stay_finite():
    logits = 3 * torch.randn(100, 6, 6) / 0.01
    logits.requires_grad_()
    sinkhorn(logits).sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_margin_matrix_reaches_the_hard_permutation():
    permutation = torch.stack([torch.randperm(6) for _ in range(20)])
    truth = permutation_matrix(permutation)
    logits = 2 * truth + 0.1 * torch.randn(20, 6, 6)
    assert torch.allclose(sinkhorn(logits / 0.05, 50), truth, atol=1e-3)


def test_gumbel_moments_and_zero_noise():
    noise = gumbel_noise((200_000,), torch.zeros(1))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.02)
    assert noise.std().item() == pytest.approx(1.2825, abs=0.02)
    logits = torch.randn(2, 4, 4)
    plain = gumbel_sinkhorn(logits, None)
    assert torch.allclose(plain[:, 0], sinkhorn(logits), atol=1e-6)
    zero = gumbel_sinkhorn(logits, torch.zeros(2, 3, 4, 4))
    assert torch.allclose(zero, plain.expand(2, 3, 4, 4), atol=1e-6)


@pytest.mark.parametrize('tau', [1.0, 0.5, 0.07])
def test_without_noise_it_is_plain_sinkhorn_bitwise(tau):
    logits = torch.randn(16, 6, 6)
    plain = sinkhorn(logits / tau)
    for noise in (None, torch.zeros(16, 1, 6, 6)):
        assert torch.equal(gumbel_sinkhorn(logits, noise, tau)[:, 0], plain)


@pytest.mark.parametrize(
    'tau, iters, mean, most',
    [
        (1.0, 20, 6e-4, 0.06),
        (0.5, 20, 0.01, 0.15),
        (0.2, 20, 0.04, 0.6),
        (0.1, 20, 0.1, 1.2),
        (0.07, 20, 0.17, 1.3),
        (0.07, 50, 0.03, 0.7),
        (0.07, 200, 5e-3, 0.03),
    ],
)
def test_rows_approach_one_slower_at_lower_temperature(tau, iters, mean, most):
    """Worst row of a matrix: mean and maximum of 2000, normal logits."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2000, 6, 6, generator=generator)
    noise = gumbel_noise((2000, 1, 6, 6), logits, generator)
    matrices = gumbel_sinkhorn(logits, noise, tau, iters)
    error = (matrices.sum(dim=-1) - 1).abs().amax(dim=-1)
    assert error.mean().item() == pytest.approx(mean, rel=0.25)
    assert error.max() < most
    columns = matrices.sum(dim=-2)
    assert torch.allclose(columns, torch.ones(()), atol=1e-5)


@pytest.mark.parametrize(
    'tau, spread, mean',
    [
        (0.07, 0.1, 0.07),
        (0.07, 3, 0.146),
        (0.07, 6, 0.207),
        (1.0, 0.1, 1.3e-4),
        (1.0, 3, 2e-3),
        (1.0, 6, 0.011),
    ],
)
def test_rows_are_further_from_one_at_larger_logits(tau, spread, mean):
    """The figures of docs/pretraining.md: all rows, with noise."""
    generator = torch.Generator().manual_seed(0)
    logits = spread * torch.randn(4000, 6, 6, generator=generator)
    noise = gumbel_noise((4000, 4, 6, 6), logits, generator)
    error = (gumbel_sinkhorn(logits, noise, tau).sum(dim=-1) - 1).abs()
    assert error.mean().item() == pytest.approx(mean, rel=0.15)


def test_half_precision_is_lifted_to_fp32():
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = sinkhorn(torch.randn(2, 6, 6).bfloat16())
    assert result.dtype == torch.float32
    assert torch.allclose(result.sum(dim=1), torch.ones(2, 6), atol=1e-5)

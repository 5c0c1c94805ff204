import pytest
import torch

from mmgl.models.functional.gather import (
    all_gather_no_grad,
    all_gather_with_grad,
)
from mmgl.models.functional.pairwise import (
    gathered_pairwise_dist,
    pairwise_dist,
    pairwise_sq_dist,
)


def naive(a, b):
    return torch.stack(
        [
            torch.stack([((x - y) ** 2).sum() for y in b.double()])
            for x in a.double()
        ]
    )


@pytest.mark.parametrize('offset', [0.0, 100.0])
def test_equals_loop_even_with_a_large_common_offset(offset):
    a, b = torch.randn(5, 7) + offset, torch.randn(4, 7) + offset
    got = pairwise_sq_dist(a, b)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), naive(a, b), rtol=1e-5, atol=1e-5)


def test_gradient_equals_loop():
    a = torch.randn(5, 7, requires_grad=True)
    b = torch.randn(4, 7, requires_grad=True)
    weight = torch.randn(5, 4)
    got = torch.autograd.grad((pairwise_sq_dist(a, b) * weight).sum(), (a, b))
    want = torch.autograd.grad((naive(a, b) * weight).sum(), (a, b))
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_zero_distance_is_exact_with_finite_gradient():
    row = 30 * torch.randn(1, 64)
    x = torch.cat([row, row, torch.randn(3, 64)]).requires_grad_()
    dist = pairwise_dist(x, x)
    assert dist.diagonal().tolist() == pytest.approx([1e-6] * 5)
    assert dist[0, 1].item() == pytest.approx(1e-6)
    (dist[0, 1] + dist.diagonal().sum()).backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_identical_rows():
    x = torch.full((6, 8), 3.7, requires_grad=True)
    dist = pairwise_dist(x, x)
    torch.testing.assert_close(dist, torch.full((6, 6), 1e-6))
    dist.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_autocast_does_not_lower_precision():
    a = torch.randn(6, 32)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = pairwise_sq_dist(a, a)
    assert torch.equal(got, pairwise_sq_dist(a, a))
    assert pairwise_sq_dist(a.bfloat16(), a.bfloat16()).dtype == torch.float32


def test_double_stays_double():
    a = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pairwise_dist, (a, b))


def test_shape_errors():
    with pytest.raises(ValueError, match='pairwise_sq_dist needs'):
        pairwise_sq_dist(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(ValueError, match='pids'):
        gathered_pairwise_dist(torch.ones(2, 3), torch.ones(3))


def test_gather_is_identity_when_not_distributed():
    x = torch.randn(3, 2, requires_grad=True)
    assert all_gather_with_grad(x) is x
    alone = all_gather_no_grad(x)
    assert torch.equal(alone, x) and not alone.requires_grad

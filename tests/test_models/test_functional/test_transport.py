import pytest
import torch

from mmgl.models.functional.pairwise import pairwise_sq_dist
from mmgl.models.functional.sinkhorn import sinkhorn
from mmgl.models.functional.transport import (
    released_transport_cost,
    sinkhorn_plan,
    transport_cost,
)


def clouds(n=16, c=20, scale=3.0, seed=0):
    """Predictions that agree on four identities."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    return [
        (
            scale * torch.randn(n, c, generator=generator, dtype=torch.float64)
            + 2 * scale * torch.eye(c).double()[labels]
        ).softmax(1)
        for _ in range(2)
    ]


def naive_plan(cost, epsilon, rounds=2000):
    """Scaling of the kernel itself, in double precision."""
    kernel = (-cost / epsilon).exp()
    columns = torch.ones(len(cost), dtype=cost.dtype)
    for _ in range(rounds):
        rows = 1 / len(cost) / (kernel @ columns)
        columns = 1 / len(cost) / (kernel.mT @ rows)
    return rows[:, None] * kernel * columns


@pytest.mark.parametrize('epsilon', [1.0, 0.5, 0.3])
def test_plan_equals_naive_scaling_and_the_sinkhorn_operator(epsilon):
    cost = pairwise_sq_dist(*clouds())
    plan, error = sinkhorn_plan(cost, epsilon, 1e-8, 5000)
    assert error <= 1e-8
    torch.testing.assert_close(plan, naive_plan(cost, epsilon))
    torch.testing.assert_close(
        plan, sinkhorn(-cost / epsilon, 2000) / len(cost)
    )


@pytest.mark.parametrize('scale', [0.01, 1.0, 2.0, 8.0, 40.0])
@pytest.mark.parametrize('tolerance', [1e-1, 1e-2])
def test_tolerance_holds_at_any_confidence(scale, tolerance):
    first, second = (p.float() for p in clouds(64, 30, scale))
    cost = pairwise_sq_dist(first, second)
    plan, error = sinkhorn_plan(cost, tolerance=tolerance)
    assert error <= tolerance
    torch.testing.assert_close(
        plan.sum(0), torch.full((64,), 1 / 64), rtol=1e-4, atol=0
    )
    rows = (64 * plan.sum(1) - 1).abs().max()
    assert rows.item() == pytest.approx(error.item())


def test_start_from_coarser_problems_saves_rounds():
    """What the tolerance takes without the warm start, and with it."""
    cost = pairwise_sq_dist(*clouds(64, 30, 8.0))
    for rounds in range(100, 2000, 100):
        plan = sinkhorn(-cost / 0.01, rounds) / 64
        if (64 * plan.sum(1) - 1).abs().max() <= 1e-2:
            break
    # Eight coarser levels of five rounds are on top.
    _, error = sinkhorn_plan(cost, max_rounds=max(10, rounds // 3 - 40))
    assert rounds > 100 and error <= 1e-2


def test_unequal_sizes():
    first, second = clouds()
    plan, error = sinkhorn_plan(
        pairwise_sq_dist(first, second[:10]), tolerance=1e-4, max_rounds=2000
    )
    assert plan.shape == (16, 10) and error <= 1e-4
    torch.testing.assert_close(plan.sum(), torch.ones(()).double())


def test_cost_is_zero_for_equal_clouds_and_permutation_invariant():
    # Predictions of different images are far apart compared to epsilon.
    first = (8 * torch.eye(12)).softmax(1)
    order = torch.randperm(12)
    for second in (first, first[order]):
        value, _ = transport_cost(first, second)
        assert value.item() == pytest.approx(0, abs=1e-6)
    first, second = clouds()
    value, _ = transport_cost(
        first, second, epsilon=0.1, tolerance=1e-6, max_rounds=999
    )
    for a, b in (
        (first[torch.randperm(16)], second),
        (first, second[torch.randperm(16)]),
        (second, first),
    ):
        other, _ = transport_cost(
            a, b, epsilon=0.1, tolerance=1e-6, max_rounds=999
        )
        assert other.item() == pytest.approx(value.item(), rel=1e-5)
    assert value > 0.01


def test_gradient_is_that_of_the_entropic_optimum():
    """Envelope theorem, against finite differences of the whole optimum."""
    first, second = clouds(6, 5, 1.0)
    epsilon = 0.1

    def optimum(points):
        cost = pairwise_sq_dist(points, second)
        plan, _ = sinkhorn_plan(cost, epsilon, 1e-13, 50_000)
        return (plan * cost).sum() + epsilon * (plan * plan.log()).sum()

    points = first.clone().requires_grad_()
    value, _ = transport_cost(points, second, epsilon, 1e-13, 50_000)
    got = torch.autograd.grad(value, points)[0]
    for i, k in ((0, 0), (3, 2), (5, 4)):
        step = torch.zeros_like(first)
        step[i, k] = 1e-5
        want = (optimum(first + step) - optimum(first - step)) / 2e-5
        assert got[i, k].item() == pytest.approx(want.item(), abs=1e-7)


def naive_released(first, second, epsilon=0.01):
    """Entry by entry: 1e-6 in every sum, and the early end."""
    n = len(first)
    cost = [[((a - b) ** 2).sum() for b in second] for a in first]
    u, v = [first.new_zeros(())] * n, [first.new_zeros(())] * n
    mass = torch.tensor(1 / n + 1e-8).log()
    for _ in range(100):
        old = u
        u = [
            u[i]
            + epsilon
            * (
                mass
                - (
                    sum(
                        ((u[i] + v[j] - cost[i][j]) / epsilon).exp()
                        for j in range(n)
                    )
                    + 1e-6
                ).log()
            )
            for i in range(n)
        ]
        v = [
            v[j]
            + epsilon
            * (
                mass
                - (
                    sum(
                        ((u[i] + v[j] - cost[i][j]) / epsilon).exp()
                        for i in range(n)
                    )
                    + 1e-6
                ).log()
            )
            for j in range(n)
        ]
        if sum(abs(a - b) for a, b in zip(u, old, strict=True)) < 0.1:
            break
    return sum(
        ((u[i] + v[j] - cost[i][j]) / epsilon).exp() * cost[i][j]
        for i in range(n)
        for j in range(n)
    )


@pytest.mark.parametrize('scale', [0.1, 3.0])
def test_released_solver_equals_naive_loops_with_gradients(scale):
    first, second = clouds(5, 6, scale)
    first.requires_grad_()
    got, _ = released_transport_cost(first, second)
    want = naive_released(first, second)
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(
        torch.autograd.grad(got, first),
        torch.autograd.grad(want, first),
        rtol=1e-4,
        atol=1e-7,
    )


def test_released_solver_has_not_converged_where_it_matters():
    """It agrees while predictions are nearly uniform, and not later."""
    first, second = torch.randn(2, 128, 395).mul(0.1).softmax(-1)
    ours, error = transport_cost(first, second)
    released, defect = released_transport_cost(first, second)
    assert error < 1e-4 and defect < 1e-3
    assert released.item() == pytest.approx(ours.item(), rel=1e-3)
    for scale in (3.0, 8.0):
        first, second = (p.float() for p in clouds(128, 395, scale))
        ours, error = transport_cost(first, second)
        released, defect = released_transport_cost(first, second)
        assert error <= 1e-2 and defect > 0.2


def test_epsilon_must_be_positive():
    with pytest.raises(ValueError, match='epsilon'):
        sinkhorn_plan(torch.zeros(2, 2), 0)

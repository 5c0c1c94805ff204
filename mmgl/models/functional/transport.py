"""Optimal transport between two clouds of points, with entropy.

Follows Cuturi, "Sinkhorn Distances" (2013), with the over-relaxed rounds of
Thibault et al., "Overrelaxed Sinkhorn-Knopp Algorithm for Regularized Optimal
Transport" (2017). All points of a cloud carry the same weight. Other than in
``sinkhorn.py`` rounds end by a tolerance and start from a coarser problem.
"""

import math

import torch
from torch import Tensor

from .gather import all_gather_no_grad
from .pairwise import at_least_fp32, pairwise_sq_dist

# Rounds at each coarser epsilon, and between two looks at the marginals (a
# look makes the host wait for the device).
_WARM_UP_ROUNDS = 5
_BLOCK = 10
# Overshoot of the column potentials; saves a third of the rounds.
_RELAXATION = 1.5


def _rounds(
    cost: Tensor, v: Tensor, epsilon: float, count: int
) -> tuple[Tensor, Tensor]:
    """Potentials after some rounds; the last one makes columns exact."""
    rows, columns = cost.shape
    for left in range(count, 0, -1):
        u = -epsilon * (((v - cost) / epsilon).logsumexp(1) + math.log(rows))
        step = -v - epsilon * (
            ((u[:, None] - cost) / epsilon).logsumexp(0) + math.log(columns)
        )
        v = v + (_RELAXATION if left > 1 else 1.0) * step
    return u, v


@torch.no_grad()
def sinkhorn_plan(
    cost: Tensor,
    epsilon: float = 0.01,
    tolerance: float = 1e-2,
    max_rounds: int = 500,
) -> tuple[Tensor, Tensor]:
    """Transport plan between uniform marginals, in log space.

    Costs ``(n, m)`` are not negative; ``epsilon``, the weight of the entropy,
    has their unit. Plain rounds are about (largest cost / epsilon) once
    predictions are confident; starting from an epsilon of the size of the
    cost and halving it takes a fraction. They end at ``max_rounds``, or once
    no row sum is wrong by more than ``tolerance``. Returns the plan of sum 1,
    whose column sums are exact, and the largest relative error of a row sum.
    """
    if epsilon <= 0:
        raise ValueError(f'sinkhorn_plan: epsilon must be > 0, got {epsilon}')
    with torch.autocast(device_type=cost.device.type, enabled=False):
        cost = at_least_fp32(cost)
        v = cost.new_zeros(cost.shape[1])
        # 2: the largest squared distance of two probability vectors.
        levels = max(0, math.ceil(math.log2(2 / epsilon)))
        for level in range(levels, 0, -1):
            _, v = _rounds(cost, v, epsilon * 2**level, _WARM_UP_ROUNDS)
        for _ in range(max(1, max_rounds // _BLOCK)):
            u, v = _rounds(cost, v, epsilon, _BLOCK)
            plan = ((u[:, None] + v - cost) / epsilon).exp()
            error = (plan.sum(dim=1) * len(cost) - 1).abs().max()
            if error <= tolerance:
                break
    return plan, error


def transport_cost(
    first: Tensor,
    second: Tensor,
    epsilon: float = 0.01,
    tolerance: float = 1e-2,
    max_rounds: int = 500,
) -> tuple[Tensor, Tensor]:
    """Cost of moving one cloud ``(n, d)`` onto another, squared Euclidean.

    The gradient treats the plan as constant, which by the envelope theorem is
    exact for the entropic optimum. Returned with the largest relative error
    of a row sum; see :func:`sinkhorn_plan`.
    """
    cost = pairwise_sq_dist(first, second)
    plan, error = sinkhorn_plan(cost, epsilon, tolerance, max_rounds)
    return (plan * cost).sum(), error


def released_transport_cost(
    first: Tensor,
    second: Tensor,
    epsilon: float = 0.01,
    max_rounds: int = 100,
    threshold: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """The transport cost of the public code of MutualInfo, for comparison.

    Sums of exponentials are not shifted by their maximum and get 1e-6 added,
    which caps every potential; rounds end once the row potentials move by
    less than ``threshold`` in sum, usually after one or two; and the gradient
    flows through them.
    """
    cost = pairwise_sq_dist(first, second)
    rows, columns = cost.shape
    u, v = cost.new_zeros(rows), cost.new_zeros(columns)
    for _ in range(max_rounds):
        before = u
        sums = ((u[:, None] + v - cost) / epsilon).exp().sum(1) + 1e-6
        u = u + epsilon * (math.log(1 / rows + 1e-8) - sums.log())
        sums = ((u[:, None] + v - cost) / epsilon).exp().sum(0) + 1e-6
        v = v + epsilon * (math.log(1 / columns + 1e-8) - sums.log())
        if (u - before).detach().abs().sum() < threshold:
            break
    plan = ((u[:, None] + v - cost) / epsilon).exp()
    error = (plan.detach().sum(dim=1) * rows - 1).abs().max()
    return (plan * cost).sum(), error


@torch.no_grad()
def balanced_assignment(scores: Tensor, epsilon: float, rounds: int) -> Tensor:
    """Share rows out among columns so that all columns get equally much.

    As SwAV assigns views to prototypes: columns are balanced over the rows of
    all ranks, and the last half round is over rows, which therefore sum to 1.
    Scores are ``(n, k)``; a smaller ``epsilon`` assigns harder.
    """
    log = at_least_fp32(scores) / epsilon
    for _ in range(rounds):
        mass = all_gather_no_grad(log.logsumexp(dim=0)[None])
        log = (log - mass.logsumexp(dim=0)).log_softmax(dim=1)
    return log.exp()

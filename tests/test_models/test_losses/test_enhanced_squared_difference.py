import math

import pytest
import torch
import torch.nn.functional as F

from mmgl.models.functional.pairwise import weighted_distances
from mmgl.models.losses import (
    EnhancedSquaredDifferenceLoss,
    WeightedRegularizedTripletLoss,
)


def batch(scale=1.0, n=12, d=6, ids=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(n, d, generator=generator)
    return features.requires_grad_(), torch.arange(n) % ids


def loop(x, pids, gamma=1.0, alpha=1.0, clamp=88.0, published=False):
    total = 0.0
    for i in range(len(x)):
        dist = [((x[i] - y) ** 2).sum().clamp(min=1e-12).sqrt() for y in x]
        weighted = []
        for same, sign in ((True, 1), (False, -1)):
            chosen = [
                d
                for d, p in zip(dist, pids, strict=True)
                if (p == pids[i]) == same
            ]
            # The published code subtracts the row maximum for positives
            # only, and adds a constant to the sum.
            top = max(sign * alpha * d for d in chosen)
            shift = top if not published or same else 0.0
            exps = [(sign * alpha * d - shift).exp() for d in chosen]
            denominator = sum(exps) + (1e-6 if published else 0.0)
            weighted.append(
                sum(e * d for e, d in zip(exps, chosen, strict=True))
                / denominator
            )
        gap = weighted[0] - weighted[1]
        square = gamma * gap**2
        if square > clamp:
            square = clamp + 0 * square
        total = total + F.softplus(square if gap > 0 else -square)
    return total / len(x)


@pytest.mark.parametrize('scale', [0.1, 1.0, 4.0, 15.0, 60.0])
@pytest.mark.parametrize(
    'options',
    [{}, dict(gamma=0.3, alpha=2.0), dict(published=True), dict(clamp=3.0)],
)
def test_equals_loop_with_gradient(scale, options):
    x, pids = batch(scale)
    got = EnhancedSquaredDifferenceLoss(**options)(x, pids)
    want = loop(x, pids, **options)
    assert got.isfinite()
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    gradient = torch.autograd.grad(got, x)[0]
    assert gradient.isfinite().all()
    torch.testing.assert_close(
        gradient, torch.autograd.grad(want, x)[0], rtol=1e-3, atol=1e-4
    )


def value_and_slope(furthest, closest, **options):
    loss = EnhancedSquaredDifferenceLoss(**options)
    furthest = torch.tensor([furthest], requires_grad=True)
    value = loss.from_distances(furthest, torch.tensor([closest])).sum()
    return value.item(), torch.autograd.grad(value, furthest)[0].item()


@pytest.mark.parametrize(
    'furthest, closest, value, slope',
    [
        # Beyond the clamp: exactly 88, exactly no gradient.
        (24.5, 0.0, 88.0, 0.0),
        (9.5, 0.0, 88.0, 0.0),
        (9.0, 0.0, 81.0, 18.0),
        (10.1, 10.0, 0.698, 0.1),
        # A stationary point: features may collapse here.
        (5.0, 5.0, math.log(2), 0.0),
        (0.0, 3.0, math.log1p(math.exp(-9)), 6 * math.exp(-9)),
    ],
)
def test_values_and_slopes(furthest, closest, value, slope):
    got, gradient = value_and_slope(furthest, closest)
    assert got == pytest.approx(value, abs=1e-3)
    assert gradient == pytest.approx(slope, abs=1e-2)
    if slope == 0:
        assert gradient == 0


def test_without_clamp_there_is_no_plateau():
    value, slope = value_and_slope(24.5, 0.0, clamp=None)
    assert value == pytest.approx(24.5**2)
    assert slope == pytest.approx(49.0)
    assert value_and_slope(24.5, 0.0, clamp=700.0)[1] == pytest.approx(49.0)


def test_identical_features_are_the_collapsed_solution():
    x = torch.full((8, 5), 2.3, requires_grad=True)
    loss = EnhancedSquaredDifferenceLoss()(x, torch.arange(8) % 4)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-6)
    loss.backward()
    assert x.grad.abs().max() < 1e-6


def clusters(spread):
    """Nearest negative far away, positives at up to ``spread``."""
    generator = torch.Generator().manual_seed(1)
    centres = 60 * torch.eye(8)
    x = centres.repeat_interleave(4, 0) + spread * torch.randn(
        32, 8, generator=generator
    )
    return x.requires_grad_(), torch.arange(8).repeat_interleave(4)


def test_published_weights_start_on_the_plateau():
    x, pids = clusters(6.0)
    published = EnhancedSquaredDifferenceLoss(published=True)(x, pids)
    assert published.item() == 88.0
    assert torch.autograd.grad(published, x)[0].abs().max() == 0
    # With exact weights the same batch is solved.
    assert EnhancedSquaredDifferenceLoss()(x, pids).item() < 1e-3


def test_batch_order_does_not_matter():
    x, pids = batch(2.0)
    loss = EnhancedSquaredDifferenceLoss()
    order = torch.randperm(len(x))
    torch.testing.assert_close(loss(x[order], pids[order]), loss(x, pids))


def test_weighted_distances_are_those_of_the_triplet_loss():
    x, pids = batch(2.0)
    furthest, closest = weighted_distances(x, pids)
    want = F.softplus(furthest - closest).mean()
    torch.testing.assert_close(WeightedRegularizedTripletLoss()(x, pids), want)
    sharper, _ = weighted_distances(x, pids, alpha=50.0)
    dist = torch.cdist(x, x)
    same = pids[:, None] == pids[None]
    torch.testing.assert_close(
        sharper, (dist * same).amax(1), rtol=1e-2, atol=1e-2
    )


def test_fp32_under_autocast_and_finite_at_any_scale():
    x, pids = batch()
    loss = EnhancedSquaredDifferenceLoss()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = loss(x, pids)
        assert loss(x.bfloat16(), pids).dtype == torch.float32
    torch.testing.assert_close(got, loss(x, pids))
    x, pids = batch(1e4)
    value = loss(x, pids)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(x.grad).all()


@pytest.mark.parametrize('key', ['gamma', 'alpha', 'clamp'])
def test_bad_arguments(key):
    words = f'EnhancedSquaredDifferenceLoss needs {key} > 0'
    with pytest.raises(ValueError, match=words):
        EnhancedSquaredDifferenceLoss(**{key: 0})

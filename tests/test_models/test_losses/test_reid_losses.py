import math

import pytest
import torch
import torch.nn.functional as F

from mmgl.models.functional.pairwise import masked_softmax, published_softmax
from mmgl.models.losses import (
    BatchHardTripletLoss,
    IdentityCrossEntropyLoss,
    WeightedRegularizedTripletLoss,
)


def batch(scale=1.0, n=12, d=6, ids=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(n, d, generator=generator)
    return features.requires_grad_(), torch.arange(n) % ids


def distance(x, y):
    return ((x - y) ** 2).sum().clamp(min=1e-12).sqrt()


def wrt_loop(x, pids, published=False):
    total = 0.0
    for i in range(len(x)):
        dist = [distance(x[i], x[j]) for j in range(len(x))]
        pos = [d for d, p in zip(dist, pids, strict=True) if p == pids[i]]
        neg = [d for d, p in zip(dist, pids, strict=True) if p != pids[i]]
        top = max(pos).detach()
        # As published: no shift of the negatives, a constant in the sums,
        # and an exponential that overflows.
        low = 0.0 if published else min(neg).detach()
        eps = 1e-6 if published else 0.0
        exp_pos = [(d - top).exp() for d in pos]
        exp_neg = [(low - d).exp() for d in neg]
        furthest = sum(e * d for e, d in zip(exp_pos, pos, strict=True)) / (
            sum(exp_pos) + eps
        )
        closest = sum(e * d for e, d in zip(exp_neg, neg, strict=True)) / (
            sum(exp_neg) + eps
        )
        gap = furthest - closest
        total = total + (
            (1 + gap.exp()).log() if published else F.softplus(gap)
        )
    return total / len(x)


def batch_hard_loop(x, pids, margin):
    total = 0.0
    for i in range(len(x)):
        dist = [distance(x[i], x[j]) for j in range(len(x))]
        pos = max(d for d, p in zip(dist, pids, strict=True) if p == pids[i])
        neg = min(d for d, p in zip(dist, pids, strict=True) if p != pids[i])
        total = total + (pos - neg + margin).clamp(min=0)
    return total / len(x)


def check(loss, loop, scale):
    x, pids = batch(scale)
    got, want = loss(x, pids), loop(x, pids)
    assert got.isfinite()
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    gradient = torch.autograd.grad(got, x)[0]
    assert gradient.isfinite().all()
    torch.testing.assert_close(
        gradient, torch.autograd.grad(want, x)[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize('scale', [0.1, 1.0, 10.0, 100.0])
def test_wrt_equals_loop_with_gradient(scale):
    check(WeightedRegularizedTripletLoss(), wrt_loop, scale)


# Distances of up to 94, weighted gaps of up to 87.
@pytest.mark.parametrize('scale', [0.1, 1.0, 4.0, 7.0, 12.0, 16.0])
def test_published_wrt_equals_loop_with_gradient(scale):
    check(
        WeightedRegularizedTripletLoss(published=True),
        lambda x, pids: wrt_loop(x, pids, published=True),
        scale,
    )


def test_published_wrt_overflows_as_published():
    loss = WeightedRegularizedTripletLoss(published=True)
    for scale in (40.0, 1000.0):
        x, pids = batch(scale)
        assert wrt_loop(x, pids, published=True) == math.inf
        value = loss(x, pids)
        assert value == math.inf
        assert torch.autograd.grad(value, x)[0].isnan().any()


# Values of the public code, 64 rows of 2,048 numbers in fp32.
@pytest.mark.parametrize(
    'median, published, exact',
    [
        (13.5, 0.8158, 0.7238),
        (20.3, 18.707, 0.7633),
        (40.5, 40.738, 0.9926),
        (107.8, math.inf, 3.227),
    ],
)
def test_wrt_at_the_distances_of_real_features(median, published, exact):
    x = torch.randn(64, 2048, generator=torch.Generator().manual_seed(0))
    x *= median / torch.pdist(x).median()
    pids = torch.arange(64) % 8
    for flag, want in ((True, published), (False, exact)):
        got = WeightedRegularizedTripletLoss(flag)(x, pids).item()
        assert got == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize('margin', [0.0, 0.3, 2.0])
def test_batch_hard_equals_loop_with_gradient(margin):
    check(
        BatchHardTripletLoss(margin),
        lambda x, pids: batch_hard_loop(x, pids, margin),
        1.0,
    )


@pytest.mark.parametrize(
    'loss', [WeightedRegularizedTripletLoss(), BatchHardTripletLoss()]
)
def test_batch_order_does_not_matter(loss):
    x, pids = batch()
    order = torch.randperm(len(x))
    torch.testing.assert_close(loss(x[order], pids[order]), loss(x, pids))


def test_wrt_is_ln2_for_identical_features():
    x = torch.full((8, 5), 2.3, requires_grad=True)
    loss = WeightedRegularizedTripletLoss()(x, torch.arange(8) % 4)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-6)
    loss.backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize('scale', [1.0, 30.0, 1000.0])
def test_weights_sum_to_one_at_any_scale(scale):
    dist = scale * (1 + torch.rand(8, 16))
    mask = torch.rand(8, 16) > 0.5
    mask[:, 0] = True
    for scores in (dist, -dist):
        weights = masked_softmax(scores, mask)
        torch.testing.assert_close(weights.sum(1), torch.ones(8))
        assert (weights[~mask] == 0).all()


def test_published_weights_vanish_at_large_distances():
    # Nearest negative at 20.7.
    dist = torch.full((1, 8), 20.7)
    dist[0, :4] = 0
    negative = torch.arange(8)[None] >= 4
    want = 4 * math.exp(-20.7) / (4 * math.exp(-20.7) + 1e-6)
    got = published_softmax(-dist, negative).sum().item()
    assert got == pytest.approx(want, rel=1e-4)
    assert got < 0.01
    assert masked_softmax(-dist, negative).sum().item() == pytest.approx(1)


def test_published_and_exact_agree_at_small_distances_only():
    exact = WeightedRegularizedTripletLoss()
    published = WeightedRegularizedTripletLoss(published=True)
    x, pids = batch(0.5)
    torch.testing.assert_close(
        published(x, pids), exact(x, pids), rtol=1e-4, atol=1e-4
    )
    x, pids = batch(15)
    assert exact(x, pids) + 5 < published(x, pids) < 88


def test_wrt_huge_distances_stay_finite():
    x, pids = batch(1e4)
    loss = WeightedRegularizedTripletLoss()(x, pids)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(x.grad).all()


@pytest.mark.parametrize(
    'loss', [WeightedRegularizedTripletLoss(), BatchHardTripletLoss()]
)
def test_single_identity_batch_is_finite(loss):
    x, _ = batch()
    value = loss(x, torch.zeros(len(x), dtype=torch.long))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(x.grad).all()


def test_wrt_weights_carry_gradient():
    x, pids = batch()
    got = torch.autograd.grad(WeightedRegularizedTripletLoss()(x, pids), x)[0]
    detached = 0.0
    for i in range(len(x)):
        dist = torch.stack([distance(x[i], y) for y in x])
        same = pids == pids[i]
        w_pos = dist[same].softmax(0).detach()
        w_neg = (-dist[~same]).softmax(0).detach()
        gap = (w_pos * dist[same]).sum() - (w_neg * dist[~same]).sum()
        detached = detached + F.softplus(gap) / len(x)
    other = torch.autograd.grad(detached, x)[0]
    assert (got - other).abs().max() > 1e-3


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_cross_entropy_formula(smoothing):
    logits, labels = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    target = (1 - smoothing) * F.one_hot(labels, 4) + smoothing / 4
    want = -(target * logits.log_softmax(1)).sum(1).mean()
    got = IdentityCrossEntropyLoss(smoothing)(logits, labels)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    'loss',
    [
        WeightedRegularizedTripletLoss(),
        WeightedRegularizedTripletLoss(published=True),
        BatchHardTripletLoss(),
        IdentityCrossEntropyLoss(),
    ],
)
def test_fp32_under_autocast(loss):
    x, pids = batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = loss(x, pids)
        half = loss(x.bfloat16(), pids)
    assert got.dtype == half.dtype == torch.float32
    torch.testing.assert_close(got, loss(x, pids))


def test_bad_arguments():
    with pytest.raises(ValueError, match='margin'):
        BatchHardTripletLoss(-1)
    with pytest.raises(ValueError, match='label_smoothing'):
        IdentityCrossEntropyLoss(1)

import math

import pytest
import torch
import torch.nn.functional as F

from mmgl.models.losses import (
    BatchHardTripletLoss,
    IdentityCrossEntropyLoss,
    WeightedRegularizedTripletLoss,
)
from mmgl.models.losses.weighted_regularized_triplet import (
    legacy_softmax,
    masked_softmax,
)


def batch(scale=1., n=12, d=6, ids=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(n, d, generator=generator)
    return features.requires_grad_(), torch.arange(n) % ids


def distance(x, y):
    return ((x - y)**2).sum().clamp(min=1e-12).sqrt()


def wrt_loop(x, pids):
    total = 0.
    for i in range(len(x)):
        dist = [distance(x[i], x[j]) for j in range(len(x))]
        pos = [d for d, p in zip(dist, pids, strict=True) if p == pids[i]]
        neg = [d for d, p in zip(dist, pids, strict=True) if p != pids[i]]
        top = max(pos).detach()
        low = min(neg).detach()
        exp_pos = [(d - top).exp() for d in pos]
        exp_neg = [(low - d).exp() for d in neg]
        furthest = sum(
            e * d for e, d in zip(exp_pos, pos, strict=True)) / sum(exp_pos)
        closest = sum(
            e * d for e, d in zip(exp_neg, neg, strict=True)) / sum(exp_neg)
        total = total + F.softplus(furthest - closest)
    return total / len(x)


def batch_hard_loop(x, pids, margin):
    total = 0.
    for i in range(len(x)):
        dist = [distance(x[i], x[j]) for j in range(len(x))]
        pos = max(d for d, p in zip(dist, pids, strict=True) if p == pids[i])
        neg = min(d for d, p in zip(dist, pids, strict=True) if p != pids[i])
        total = total + (pos - neg + margin).clamp(min=0)
    return total / len(x)


def check(loss, loop, scale):
    x, pids = batch(scale)
    got, want = loss(x, pids), loop(x, pids)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(got, x)[0],
        torch.autograd.grad(want, x)[0],
        rtol=1e-4,
        atol=1e-5)


@pytest.mark.parametrize('scale', [0.1, 1., 10.])
def test_wrt_equals_loop_with_gradient(scale):
    check(WeightedRegularizedTripletLoss(), wrt_loop, scale)


@pytest.mark.parametrize('margin', [0., 0.3, 2.])
def test_batch_hard_equals_loop_with_gradient(margin):
    check(
        BatchHardTripletLoss(margin),
        lambda x, pids: batch_hard_loop(x, pids, margin), 1.)


@pytest.mark.parametrize(
    'loss', [WeightedRegularizedTripletLoss(),
             BatchHardTripletLoss()])
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


@pytest.mark.parametrize('scale', [1., 30., 1000.])
def test_weights_sum_to_one_at_any_scale(scale):
    dist = scale * (1 + torch.rand(8, 16))
    mask = torch.rand(8, 16) > .5
    mask[:, 0] = True
    for scores in (dist, -dist):
        weights = masked_softmax(scores, mask)
        torch.testing.assert_close(weights.sum(1), torch.ones(8))
        assert (weights[~mask] == 0).all()


def test_legacy_eps_reproduces_the_published_defect():
    # Nearest negative at 20.7: the published weights nearly vanish.
    dist = torch.full((1, 8), 20.7)
    dist[0, :4] = 0
    negative = torch.arange(8)[None] >= 4
    want = 4 * math.exp(-20.7) / (4 * math.exp(-20.7) + 1e-6)
    got = legacy_softmax(-dist, negative, 1e-6).sum().item()
    assert got == pytest.approx(want, rel=1e-4)
    assert got < .01
    assert masked_softmax(-dist, negative).sum().item() == pytest.approx(1)


def test_legacy_and_stable_agree_at_small_distances_only():
    stable = WeightedRegularizedTripletLoss()
    legacy = WeightedRegularizedTripletLoss(legacy_eps=1e-6)
    x, pids = batch(.5)
    torch.testing.assert_close(legacy(x, pids), stable(x, pids), rtol=1e-4,
                               atol=1e-4)
    x, pids = batch(30)
    assert legacy(x, pids) > stable(x, pids) + 5


def test_wrt_huge_distances_stay_finite():
    x, pids = batch(1e4)
    loss = WeightedRegularizedTripletLoss()(x, pids)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(x.grad).all()


@pytest.mark.parametrize(
    'loss', [WeightedRegularizedTripletLoss(),
             BatchHardTripletLoss()])
def test_single_identity_batch_is_finite(loss):
    x, _ = batch()
    value = loss(x, torch.zeros(len(x), dtype=torch.long))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(x.grad).all()


def test_wrt_weights_carry_gradient():
    x, pids = batch()
    got = torch.autograd.grad(WeightedRegularizedTripletLoss()(x, pids), x)[0]
    detached = 0.
    for i in range(len(x)):
        dist = torch.stack([distance(x[i], y) for y in x])
        same = pids == pids[i]
        w_pos = dist[same].softmax(0).detach()
        w_neg = (-dist[~same]).softmax(0).detach()
        gap = (w_pos * dist[same]).sum() - (w_neg * dist[~same]).sum()
        detached = detached + F.softplus(gap) / len(x)
    other = torch.autograd.grad(detached, x)[0]
    assert (got - other).abs().max() > 1e-3


@pytest.mark.parametrize('smoothing', [0., 0.1])
def test_cross_entropy_formula(smoothing):
    logits, labels = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    target = (1 - smoothing) * F.one_hot(labels, 4) + smoothing / 4
    want = -(target * logits.log_softmax(1)).sum(1).mean()
    got = IdentityCrossEntropyLoss(smoothing)(logits, labels)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize('loss', [
    WeightedRegularizedTripletLoss(),
    BatchHardTripletLoss(),
    IdentityCrossEntropyLoss()
])
def test_fp32_under_autocast(loss):
    x, pids = batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = loss(x, pids)
        half = loss(x.bfloat16(), pids)
    assert got.dtype == half.dtype == torch.float32
    torch.testing.assert_close(got, loss(x, pids))


def test_bad_arguments():
    with pytest.raises(ValueError, match='legacy_eps'):
        WeightedRegularizedTripletLoss(legacy_eps=0)
    with pytest.raises(ValueError, match='margin'):
        BatchHardTripletLoss(-1)
    with pytest.raises(ValueError, match='label_smoothing'):
        IdentityCrossEntropyLoss(1)

import math

import pytest
import torch
import torch.nn.functional as F

from mmgl.models.functional.discrepancy import kernel_discrepancy
from mmgl.models.losses import CrossModalityContrastiveLoss

BANDWIDTHS = (0.125, 0.25, 0.5, 1.0, 2.0)
MODES = ('discrepancy', 'infonce')


def batch(n=16, d=6, ids=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, d, generator=generator)
    index = torch.arange(n)
    # Both modalities of each identity, unequal numbers.
    modality = (index // ids + (index == 1)) % 2
    return features.requires_grad_(), index % ids, modality


def kernel(a, b):
    return (
        sum((-(a - b).square().sum() / (2 * s2)).exp() for s2 in BANDWIDTHS)
        / 5
    )


def mean_kernel(left, right):
    return sum(kernel(a, b) for a in left for b in right) / (
        len(left) * len(right)
    )


def sets_of(x, pids, modality):
    unit = x / x.norm(dim=1, keepdim=True)
    rows = list(zip(unit, pids.tolist(), modality.tolist(), strict=True))
    return [
        {
            i: [f for f, p, m in rows if p == i and m == which]
            for i in sorted({p for _, p, _ in rows})
        }
        for which in (0, 1)
    ]


def discrepancy_loop(x, pids, modality, margin=1.0):
    visible, infrared = sets_of(x, pids, modality)
    within, apart = [], []
    for i, v in visible.items():
        for j, r in infrared.items():
            if not v or not r:
                continue
            value = (
                mean_kernel(v, v) + mean_kernel(r, r) - 2 * mean_kernel(v, r)
            )
            if i == j:
                within.append(value)
            else:
                apart.append((margin - value).clamp(min=0))
    return sum(within) / max(len(within), 1) + sum(apart) / max(len(apart), 1)


def infonce_loop(x, pids, modality, temperature=0.1):
    unit = x / x.norm(dim=1, keepdim=True)
    terms = []
    for a in range(len(x)):
        others = [b for b in range(len(x)) if modality[b] != modality[a]]
        scores = {b: unit[a] @ unit[b] / temperature for b in others}
        positives = [b for b in others if pids[b] == pids[a]]
        if positives:
            total = torch.stack(list(scores.values())).logsumexp(0)
            terms.append(
                sum(total - scores[b] for b in positives) / len(positives)
            )
    return sum(terms) / len(terms)


LOOPS = dict(discrepancy=discrepancy_loop, infonce=infonce_loop)


def check(mode, x, pids, modality):
    got = CrossModalityContrastiveLoss(mode)(x, pids, modality)
    want = LOOPS[mode](x, pids, modality)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(got, x)[0],
        torch.autograd.grad(want, x)[0],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('scale', [0.1, 30.0])
def test_equals_loop_with_gradient(mode, scale):
    x, pids, modality = batch()
    check(mode, (scale * x).detach().requires_grad_(), pids, modality)


@pytest.mark.parametrize('mode', MODES)
def test_identities_that_lack_a_modality(mode):
    x, pids, modality = batch()
    modality = modality.clone()
    modality[pids == 0] = 0
    modality[pids == 2] = 1
    check(mode, x, pids, modality)


@pytest.mark.parametrize('mode', MODES)
def test_nothing_to_compare(mode):
    x, pids, modality = batch()
    loss = CrossModalityContrastiveLoss(mode)(
        x, pids, torch.zeros_like(modality)
    )
    loss.backward()
    assert loss == 0 and (x.grad == 0).all()


@pytest.mark.parametrize('mode', MODES)
def test_one_identity_is_finite(mode):
    x, pids, modality = batch()
    loss = CrossModalityContrastiveLoss(mode)(x, 0 * pids, modality)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(x.grad).all()


@pytest.mark.parametrize('mode', MODES)
def test_batch_order_does_not_matter(mode):
    x, pids, modality = batch()
    loss = CrossModalityContrastiveLoss(mode)
    order = torch.randperm(len(x))
    torch.testing.assert_close(
        loss(x[order], pids[order], modality[order]), loss(x, pids, modality)
    )


@pytest.mark.parametrize('mode', MODES)
def test_modalities_are_symmetric(mode):
    x, pids, modality = batch()
    loss = CrossModalityContrastiveLoss(mode)
    torch.testing.assert_close(
        loss(x, pids, 1 - modality), loss(x, pids, modality)
    )


def test_discrepancy_of_equal_sets_is_zero():
    unit = F.normalize(torch.randn(3, 4), dim=1)
    unit = unit.repeat(2, 1)
    rows = torch.tensor([[1, 1, 1, 0, 0, 0]]).bool()
    value = kernel_discrepancy(unit, rows, ~rows, BANDWIDTHS)
    assert value.abs().item() < 1e-6
    loss = CrossModalityContrastiveLoss()
    zero = loss(unit, torch.zeros(6).long(), (~rows[0]).long())
    assert zero.abs().item() < 1e-6


def test_discrepancy_of_opposite_points():
    # 2 - 2 k(2), the largest there is for these bandwidths.
    unit = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    rows = torch.tensor([[True, False]])
    want = 2 - 2 * sum(math.exp(-2 / s2) for s2 in BANDWIDTHS) / 5
    value = kernel_discrepancy(unit, rows, ~rows, BANDWIDTHS).item()
    assert value == pytest.approx(want, abs=1e-6)
    assert 1 < value < 2


def test_perfect_features_cost_nothing():
    # Four identities at orthogonal places, both modalities alike: D is 0
    # within and 2 - 2 k(sqrt 2) = 1.548 between.
    x = torch.eye(4).repeat(4, 1)
    pids, modality = torch.arange(16) % 4, torch.arange(16) // 4 % 2
    assert CrossModalityContrastiveLoss()(x, pids, modality) < 1e-6
    between = 2 - 2 * sum(math.exp(-1 / s2) for s2 in BANDWIDTHS) / 5
    loss = CrossModalityContrastiveLoss(margin=1.75)(x, pids, modality)
    assert loss.item() == pytest.approx(1.75 - between, abs=1e-6)
    assert between == pytest.approx(1.548, abs=1e-3)


@pytest.mark.parametrize('mode', MODES)
def test_fp32_under_autocast(mode):
    x, pids, modality = batch()
    loss = CrossModalityContrastiveLoss(mode)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(loss(x, pids, modality), loss(x, pids, modality))
        inside = loss(x, pids, modality)
    assert torch.equal(inside, loss(x, pids, modality))
    double = loss(x.double(), pids, modality)
    assert double.dtype == torch.float64
    want = LOOPS[mode](x.double(), pids, modality)
    torch.testing.assert_close(double, want, rtol=1e-10, atol=1e-10)


def test_bad_arguments():
    for settings, word in (
        (dict(mode='cmmd'), 'mode'),
        (dict(bandwidths=(1, 0)), 'bandwidths'),
        (dict(temperature=0), 'temperature'),
        (dict(margin=-1), 'margin'),
    ):
        with pytest.raises(ValueError, match=word):
            CrossModalityContrastiveLoss(**settings)
    x, pids, _ = batch()
    with pytest.raises(ValueError, match='modality'):
        CrossModalityContrastiveLoss()(x, pids)

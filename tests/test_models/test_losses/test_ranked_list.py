import pytest
import torch

from mmgl.models.losses import RankedListLoss


def naive(
    features,
    pids,
    modality,
    alpha=(2.2, 2.0),
    margin=(0.9, 1.0),
    temperature=1.0,
):
    """One anchor and one pair at a time."""
    unit = [f / f.norm() for f in features]
    total = 0
    for i in range(len(unit)):
        for kind in (0, 1):  # within the modality, across
            boundary = alpha[kind] - margin[kind]
            pulls, pushes, weights = [], [], []
            for j in range(len(unit)):
                if i == j or int(modality[i] != modality[j]) != kind:
                    continue
                d = (unit[i] - unit[j]).norm()
                if pids[i] == pids[j]:
                    pulls.append((d - boundary).clamp(min=0))
                elif d < alpha[kind]:
                    weights.append((temperature * (alpha[kind] - d)).exp())
                    pushes.append(weights[-1] * (alpha[kind] - d))
            total = total + sum(pulls) / (len(pulls) + 1e-5)
            total = total + sum(pushes) / (sum(weights) + 1e-5)
    return total / len(unit)


def batch(n=12, d=6, ids=3):
    features = torch.randn(n, d, dtype=torch.float64, requires_grad=True)
    return features, torch.arange(n) % ids, torch.arange(n) // ids % 2


@pytest.mark.parametrize(
    'kwargs',
    [
        {},
        dict(temperature=4.0),
        # Boundaries inside the range of distances.
        dict(alpha=(1.2, 1.4), margin=(0.3, 0.6)),
    ],
)
def test_equals_naive_loops_with_gradients(kwargs):
    features, pids, modality = batch()
    loss = RankedListLoss(**kwargs)(features, pids, modality)
    want = naive(features, pids, modality, **kwargs)
    assert loss.item() == pytest.approx(want.item(), rel=1e-9)
    got = torch.autograd.grad(loss, features)[0]
    torch.testing.assert_close(
        got, torch.autograd.grad(want, features)[0], rtol=1e-7, atol=1e-9
    )


def test_gradient_flows_through_the_weights():
    """Constant weights would give another gradient."""
    features, pids, modality = batch()
    pids = torch.arange(12)  # negatives only
    loss = RankedListLoss()(features, pids, modality)
    got = torch.autograd.grad(loss, features)[0]
    unit = torch.nn.functional.normalize(features, dim=1)
    dist = torch.cdist(unit, unit)
    total = 0
    for kind, alpha in (
        (modality[:, None] == modality, 2.2),
        (modality[:, None] != modality, 2.0),
    ):
        mask = kind & ~torch.eye(12, dtype=bool) & (dist < alpha)
        weights = (alpha - dist).exp().detach() * mask
        total = (
            total
            + (
                (weights * (alpha - dist)).sum(1) / (weights.sum(1) + 1e-5)
            ).mean()
        )
    assert total.item() == pytest.approx(loss.item())
    frozen = torch.autograd.grad(total, features)[0]
    assert (got - frozen).abs().max() > 0.01


def test_modality_decides_the_kind_of_pair():
    features, pids, modality = batch()
    loss = RankedListLoss()
    same = loss(features, pids, torch.zeros_like(modality))
    assert abs(same - loss(features, pids, modality)).item() > 0.1
    assert same.item() == pytest.approx(
        naive(features, pids, torch.zeros_like(modality)).item()
    )
    # Which one is called 0 does not matter.
    swapped = loss(features, pids, 1 - modality)
    assert swapped.item() == pytest.approx(
        loss(features, pids, modality).item()
    )


def test_order_and_length_play_no_role():
    features, pids, modality = batch()
    loss = RankedListLoss()
    want = loss(features, pids, modality).item()
    order = torch.randperm(len(pids))
    got = loss(features[order], pids[order], modality[order])
    assert got.item() == pytest.approx(want)
    assert loss(7 * features, pids, modality).item() == pytest.approx(want)


def test_never_below_its_floor():
    """Even for perfect features: two identities at opposite points."""
    features = torch.tensor([[1.0, 0], [-1.0, 0]]).repeat(4, 1)
    pids, modality = torch.arange(8) % 2, torch.arange(8) // 4
    loss = RankedListLoss()(features, pids, modality)
    # Positives at 0, all negatives at 2 = alpha across and alpha - 0.2.
    assert loss.item() == pytest.approx(0.2, abs=1e-4)
    for _ in range(20):
        features, pids, modality = batch()
        assert RankedListLoss()(features, pids, modality) >= 0.2 - 1e-4


def test_half_precision_and_equal_features():
    loss = RankedListLoss()
    pids, modality = torch.arange(8) % 2, torch.arange(8) // 4
    features = torch.ones(8, 4, requires_grad=True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = loss(features.bfloat16(), pids, modality)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(features.grad).all()


def test_mistakes():
    features, pids, _ = batch()
    with pytest.raises(ValueError, match='needs the modality'):
        RankedListLoss()(features, pids)
    with pytest.raises(ValueError, match='margin'):
        RankedListLoss(margin=(3.0, 1.0))
    with pytest.raises(ValueError, match='two numbers'):
        RankedListLoss(alpha=(2.2,))
    with pytest.raises(ValueError, match='temperature'):
        RankedListLoss(temperature=-1)

import math

import numpy as np
import pytest
import torch
import torch.distributed as dist
from forked_ranks import run_ranks
from torch.nn import functional as F

from mmgl.models.functional import modality_groups
from mmgl.models.losses import PartCycleContrastiveLoss


def unit(*shape):
    return F.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def modalities(pairs):
    return torch.tensor([0, 1] * pairs)


def naive(parts, modality, tau, pairs=None, patches=False):
    """Eq. 5-6 read literally, one query at a time."""
    batch, stripes, _ = parts.shape

    def soft(query, bank):
        weights = torch.stack([torch.exp(query @ u / tau) for u in bank])
        mixed = sum(
            w * u for w, u in zip(weights / weights.sum(), bank, strict=True)
        )
        return mixed / mixed.norm()

    def related(a, b):
        return pairs is None or pairs[a] == pairs[b]

    retrieved = {}
    for b in range(batch):
        bank = [
            parts[c, k]
            for c in range(batch)
            for k in range(stripes)
            if modality[c] != modality[b] and related(b, c)
        ]
        for n in range(stripes):
            there = soft(parts[b, n], bank)
            retrieved[b, n] = there, soft(there, list(parts[b]))
    losses = []
    for (b, _), both in retrieved.items():
        for side in (0, 1):
            anchor, positive = both[side], both[1 - side]
            if patches:
                negatives = [
                    parts[c, k]
                    for c in range(batch)
                    for k in range(stripes)
                    if related(b, c)
                ] + [positive]
            else:
                negatives = [
                    v
                    for (c, _), pair in retrieved.items()
                    for v in pair
                    if modality[c] == modality[b]
                    and related(b, c)
                    and v is not anchor
                ]
            total = sum(torch.exp(anchor @ v / tau) for v in negatives)
            losses.append(
                -torch.log(torch.exp(anchor @ positive / tau) / total)
            )
    return torch.stack(losses).mean()


MIXED = torch.tensor([0, 1, 1, 0, 1, 0])
PAIRS = torch.tensor([0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize('bank', ['universal', 'pair'])
@pytest.mark.parametrize('negatives', ['retrieved', 'patches'])
@pytest.mark.parametrize('at_once', [False, True])
def test_equals_a_naive_loop_with_gradient(
    bank, negatives, at_once, monkeypatch
):
    if at_once:  # as on a device
        monkeypatch.setattr(modality_groups, 'on_processor', lambda x: False)
    parts = unit(6, 3, 8).requires_grad_()
    pairs = PAIRS if bank == 'pair' else None
    loss = PartCycleContrastiveLoss(0.2, bank, negatives, loss_weight=1)
    value = loss(parts, MIXED, pairs)
    expected = naive(parts, MIXED, 0.2, pairs, negatives == 'patches')
    assert torch.allclose(value, expected)
    (grad,) = torch.autograd.grad(value, parts)
    (naive_grad,) = torch.autograd.grad(expected, parts)
    assert torch.allclose(grad, naive_grad, atol=1e-10)


def test_an_uneven_batch_equals_a_naive_loop(monkeypatch):
    monkeypatch.setattr(modality_groups, 'on_processor', lambda x: False)
    parts, modality = unit(5, 3, 8), torch.tensor([1, 0, 1, 1, 0])
    value = PartCycleContrastiveLoss(0.2, loss_weight=1)(parts, modality)
    assert torch.allclose(value, naive(parts, modality, 0.2))


def _on_a_rank(rank, loss, parts, modality, pairs):
    share = slice(rank * 3, (rank + 1) * 3)
    parts = parts.clone().requires_grad_()
    value = loss(parts[share], modality[share], pairs[share])
    value.backward()
    both = [value.detach(), parts.grad]
    for tensor in both:
        dist.all_reduce(tensor)
    return [(tensor / 2).tolist() for tensor in both]


@pytest.mark.parametrize('bank', ['universal', 'pair'])
@pytest.mark.parametrize('negatives', ['retrieved', 'patches'])
@pytest.mark.parametrize(
    'modality', [[0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 1, 0, 1]]
)
def test_two_processes_equal_one(tmp_path, bank, negatives, modality):
    """Whichever modalities a rank has, each of them in the batch of both."""
    parts, modality = unit(6, 3, 8), torch.tensor(modality)
    pairs = torch.zeros(6, dtype=torch.long)
    loss = PartCycleContrastiveLoss(0.2, bank, negatives, loss_weight=1)
    single = parts.clone().requires_grad_()
    want = loss(single, modality, pairs)
    want.backward()
    for value, grad in run_ranks(
        tmp_path, _on_a_rank, loss, parts, modality, pairs
    ):
        assert value == pytest.approx(want.item())
        assert torch.allclose(single.grad.new_tensor(grad), single.grad)


def by_query(parts, tau):
    """The defaults in numpy, one query at a time; visible images first."""
    half = len(parts) // 2
    losses = []
    for own, other in (
        (parts[:half], parts[half:]),
        (parts[half:], parts[:half]),
    ):
        bank = other.reshape(-1, parts.shape[-1])
        there, back = [], []
        for image in own:
            for query in image:
                for found, among in ((there, bank), (back, image)):
                    weights = np.exp(among @ query / tau)
                    mixed = weights @ among
                    found.append(mixed / np.linalg.norm(mixed))
                    query = found[-1]
        retrieved = np.array(there + back)
        positives = np.array(back + there)
        for i, (anchor, positive) in enumerate(
            zip(retrieved, positives, strict=True)
        ):
            others = np.delete(retrieved, i, axis=0)
            losses.append(
                np.log(np.exp(others @ anchor / tau).sum())
                - anchor @ positive / tau
            )
    return np.mean(losses)


def test_independent_random_vectors():
    """Far below log 575 = 6.35: a low value proves no correspondence.

    Of the paper's batch, 48 + 48 images with N = 6, D = 256, tau = 0.07;
    twenty draws gave 1.55 to 2.18, 1.83 on average.
    """
    loss = PartCycleContrastiveLoss(loss_weight=1)
    modality, values = torch.tensor([0, 1]).repeat_interleave(48), []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        parts = F.normalize(
            torch.randn(96, 6, 256, dtype=torch.float64, generator=generator),
            dim=-1,
        )
        values.append(loss(parts, modality).item())
    assert values[-1] == pytest.approx(by_query(parts.numpy(), 0.07))
    assert np.mean(values) == pytest.approx(1.83, abs=0.35)
    assert max(values) < math.log(575) / 2


@pytest.mark.parametrize(
    'include, expected', [(False, math.log(47)), (True, math.log(48))]
)
def test_collapsed_features(include, expected):
    parts = unit(1, 1, 8).expand(8, 6, 8)
    loss = PartCycleContrastiveLoss(include_anchor=include, loss_weight=1)
    assert loss(parts, modalities(4)).item() == pytest.approx(expected)


@pytest.mark.parametrize('bank', ['universal', 'pair'])
def test_collapse_is_a_fixed_point(bank):
    """No gradient leads away from it: another term must prevent it."""
    loss = PartCycleContrastiveLoss(bank=bank, loss_weight=1)

    def gradient(noise):
        raw = unit(1, 1, 8).expand(8, 6, 8) + noise * unit(8, 6, 8)
        raw.requires_grad_()
        value = loss(
            F.normalize(raw, dim=-1),
            modalities(4),
            torch.arange(4).repeat_interleave(2),
        )
        return torch.autograd.grad(value, raw)[0].abs().max()

    assert gradient(0) < 1e-14
    assert gradient(0.1) > 1e-5


def test_perfect_part_clusters_are_no_minimum_of_the_universal_reading():
    parts = torch.eye(6, dtype=torch.float64).expand(8, 6, 6)
    loss = PartCycleContrastiveLoss(temperature=0.01, loss_weight=1)
    assert loss(parts, modalities(4)).item() == pytest.approx(math.log(7))


def test_perfect_part_clusters_in_the_pair_reading():
    parts = torch.eye(6, dtype=torch.float64).expand(8, 6, 6)
    loss = PartCycleContrastiveLoss(bank='pair', loss_weight=1)
    value = loss(parts, modalities(4), torch.arange(4).repeat_interleave(2))
    assert value.item() == pytest.approx(6.2488e-6, rel=1e-3)


def test_order_free_and_any_mix_of_modalities():
    parts, modality = unit(7, 4, 8), torch.tensor([0, 1, 1, 0, 1, 1, 1])
    loss = PartCycleContrastiveLoss()
    order = torch.randperm(7)
    assert torch.allclose(
        loss(parts, modality), loss(parts[order], modality[order])
    )


def test_gradcheck_of_the_whole_chain():
    raw = torch.randn(4, 2, 4, dtype=torch.float64, requires_grad=True)
    loss = PartCycleContrastiveLoss(temperature=0.3)
    assert torch.autograd.gradcheck(
        lambda x: loss(F.normalize(x, dim=-1), modalities(2)), raw
    )


def test_half_precision_gives_fp32_close_to_double():
    parts = unit(8, 6, 32)
    loss = PartCycleContrastiveLoss()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = loss(parts.float(), modalities(4))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(
        loss(parts, modalities(4)).item(), rel=1e-4
    )


def test_ramp_scales_the_loss():
    parts, loss = unit(4, 3, 8), PartCycleContrastiveLoss()
    full = loss(parts, modalities(2))
    loss.ramp.fill_(0.25)
    assert torch.allclose(loss(parts, modalities(2)), full / 4)


def test_bad_arguments():
    for wrong in (dict(temperature=0), dict(bank='x'), dict(negatives='x')):
        with pytest.raises(ValueError):
            PartCycleContrastiveLoss(**wrong)
    with pytest.raises(ValueError, match='CrossModalPairSampler'):
        PartCycleContrastiveLoss(bank='pair')(unit(4, 3, 8), modalities(2))
    with pytest.raises(ValueError, match='both modalities'):
        PartCycleContrastiveLoss()(unit(4, 3, 8), torch.zeros(4).long())

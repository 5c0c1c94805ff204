import pytest
import torch
from torch.nn import functional as F

from mmgl.models.functional.soft_neighbours import (
    cycle_retrieve,
    info_nce,
    similarities,
    soft_nearest_neighbours,
)


def unit(*shape, dtype=torch.float64):
    return F.normalize(torch.randn(*shape, dtype=dtype), dim=-1)


def test_soft_nearest_neighbours_equal_a_loop():
    queries, bank, tau = unit(4, 8), unit(6, 8), 0.1
    mask = torch.rand(4, 6) > 0.4
    mask[:, 0] = True
    result = soft_nearest_neighbours(queries, bank, tau, mask)
    for q in range(4):
        weights = torch.stack(
            [
                torch.exp(queries[q] @ bank[k] / tau) * mask[q, k]
                for k in range(6)
            ]
        )
        mixed = sum(
            w * b for w, b in zip(weights / weights.sum(), bank, strict=True)
        )
        assert torch.allclose(result[q], mixed / mixed.norm())


def test_sharp_temperature_picks_the_nearest():
    queries, bank = unit(5, 8), unit(9, 8)
    result = soft_nearest_neighbours(queries, bank, 1e-4)
    nearest = bank[(queries @ bank.t()).argmax(dim=1)]
    assert torch.allclose(result, nearest, atol=1e-6)


def test_cycle_uses_other_modality_then_own_image():
    parts = unit(4, 3, 16)
    modality = torch.tensor([0, 1, 1, 0])
    mask = modality[:, None] != modality[None, :]
    there, back = cycle_retrieve(parts, parts, 0.05, mask)
    for b in range(4):
        bank = parts[modality != modality[b]].reshape(-1, 16)
        expected = soft_nearest_neighbours(parts[b], bank, 0.05)
        assert torch.allclose(there[b], expected)
        assert torch.allclose(
            back[b], soft_nearest_neighbours(expected, parts[b], 0.05)
        )


def test_detached_bank_gets_no_gradient():
    parts = unit(4, 3, 16).requires_grad_()
    bank = unit(4, 3, 16).requires_grad_()
    mask = ~torch.eye(4, dtype=torch.bool)
    there, _ = cycle_retrieve(parts, bank, 0.1, mask, detach_bank=True)
    there.square().mul(torch.randn_like(there)).sum().backward()
    assert bank.grad is None and parts.grad.abs().max() > 0


@pytest.mark.parametrize('left_out', [None, torch.tensor([1, 0, 3, 5, 2])])
def test_info_nce_equals_a_loop_with_gradient(left_out):
    anchors, candidates = unit(5, 8).requires_grad_(), unit(7, 8)
    target = torch.tensor([0, 3, 2, 6, 1])
    mask = torch.rand(5, 7) > 0.3
    mask[torch.arange(5), target] = True
    logits = similarities(anchors, candidates, 0.2, mask)
    loss = info_nce(logits, target, left_out)
    expected = 0
    for a in range(5):
        scores = torch.exp(candidates @ anchors[a] / 0.2)
        total = sum(
            scores[c]
            for c in range(7)
            if mask[a, c] and (left_out is None or c != left_out[a])
        )
        expected = expected - torch.log(scores[target[a]] / total)
    assert torch.allclose(loss, expected)
    grads = (torch.autograd.grad(x, anchors)[0] for x in (loss, expected))
    assert torch.allclose(*grads)


def test_similarities_of_one_another_equal_those_of_a_bank():
    parts = unit(2, 5, 8).requires_grad_()
    ours = similarities(parts, None, 0.07)
    assert torch.allclose(ours, similarities(parts, parts, 0.07))
    weight = torch.randn_like(ours)
    grads = (
        torch.autograd.grad((weight * logits).sum(), parts)[0]
        for logits in (ours, similarities(parts, parts, 0.07))
    )
    assert torch.allclose(*grads)
    assert torch.autograd.gradcheck(
        lambda x: similarities(x, None, 0.5), parts
    )

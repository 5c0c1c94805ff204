import math

import pytest
import torch
import torch.nn.functional as F

from mmgl.models.functional.distillation import (
    distil,
    js_divergence,
    kl_divergence,
    symmetric_kl,
)


def logits(n=6, c=7, scale=2.0):
    return (scale * torch.randn(n, c, dtype=torch.float64)).requires_grad_()


def naive_kl(a, b):
    total = 0
    for p, q in zip(a.softmax(1), b.softmax(1), strict=True):
        for k in range(len(p)):
            total = total + p[k] * (p[k] / q[k]).log()
    return total / len(a)


def naive_js(a, b):
    total = 0
    for p, q in zip(a.softmax(1), b.softmax(1), strict=True):
        for k in range(len(p)):
            mean = (p[k] + q[k]) / 2
            total = (
                total
                + (p[k] * (p[k] / mean).log() + q[k] * (q[k] / mean).log()) / 2
            )
    return total / len(a)


@pytest.mark.parametrize(
    'function, reference',
    [
        (kl_divergence, naive_kl),
        (js_divergence, naive_js),
        (symmetric_kl, lambda a, b: (naive_kl(a, b) + naive_kl(b, a)) / 2),
    ],
)
def test_divergences_equal_naive_loops_with_gradients(function, reference):
    a, b = logits(), logits()
    got, want = function(a, b), reference(a, b)
    torch.testing.assert_close(got, want)
    for x, y in zip(
        torch.autograd.grad(got, (a, b)),
        torch.autograd.grad(want, (a, b)),
        strict=True,
    ):
        torch.testing.assert_close(x, y)
    # 0 for predictions that are equal, whatever the logits' offset.
    assert function(a, a + 3).item() == pytest.approx(0, abs=1e-12)


def test_js_is_symmetric_and_at_most_ln_2():
    a, b = logits(), logits()
    assert js_divergence(a, b).item() == pytest.approx(
        js_divergence(b, a).item()
    )
    for scale in (1.0, 10.0, 1000.0):
        value = js_divergence(
            logits(scale=scale).float(), logits(scale=scale).float()
        )
        assert 0 <= value <= math.log(2) + 1e-6
    apart = torch.tensor([[1000.0, 0]]), torch.tensor([[0.0, 1000.0]])
    assert js_divergence(*apart).item() == pytest.approx(math.log(2))


def test_paper_mode_is_kl_to_the_student_only():
    teacher, student = logits(), logits()
    value = distil(teacher, student)
    assert value.item() == pytest.approx(naive_kl(teacher, student).item())
    value.backward()
    assert teacher.grad is None
    # The gradient of a cross-entropy with soft targets.
    want = (student.softmax(1) - teacher.softmax(1)) / len(student)
    torch.testing.assert_close(student.grad, want.detach())
    assert distil(teacher, teacher).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.filterwarnings('ignore:reduction')
def test_released_mode_is_the_malformed_call():
    """Probabilities as input, sides swapped, mean over all elements."""
    teacher, student = logits(), logits()
    value = distil(teacher, student, 'released')
    want = F.kl_div(
        teacher.detach().softmax(1), student.softmax(1), reduction='mean'
    )
    torch.testing.assert_close(value, want)
    got = torch.autograd.grad(value, student)
    torch.testing.assert_close(got, torch.autograd.grad(want, student))


def test_released_mode_is_best_at_nearly_uniform_predictions():
    """For a sure teacher and 395 classes: confidence e / (e + 394)."""
    teacher = 100 * F.one_hot(torch.tensor([3]), 395).double()
    best = teacher.softmax(1).requires_grad_()  # softmax(p_t)
    value = distil(teacher, best, 'released')
    assert torch.autograd.grad(value, best)[0].abs().max() < 1e-9
    confidence = best.softmax(1)[0, 3].item()
    assert confidence == pytest.approx(math.e / (math.e + 394))
    assert confidence == pytest.approx(0.0069, abs=5e-5)
    # The teacher's own prediction is worse, in the paper's mode the best.
    assert distil(teacher, teacher, 'released') > value
    assert distil(teacher, teacher) < distil(teacher, best)


@pytest.mark.parametrize(
    'scale, released, paper', [(1.0, 2.7e-5, 8.1e-3), (5.0, 1.0e-4, 8.5e-2)]
)
def test_gradients_of_both_modes_as_measured(scale, released, paper):
    """Norms for 128 random predictions of 395 classes."""
    teacher = scale * torch.randn(128, 395)
    for mode, want in (('released', released), ('paper', paper)):
        student = (scale * torch.randn(128, 395)).requires_grad_()
        value = distil(teacher, student, mode)
        norm = torch.autograd.grad(value, student)[0].norm().item()
        assert norm == pytest.approx(want, rel=0.5)
        assert (value < 0) == (mode == 'released')
    start = distil(torch.zeros(8, 395), torch.zeros(8, 395), 'released')
    assert start.item() == pytest.approx(-0.015, abs=5e-4)


def test_half_precision_is_lifted():
    a = logits(scale=20.0).bfloat16()
    for function in (kl_divergence, js_divergence, symmetric_kl, distil):
        value = function(a.detach(), a)
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(0, abs=1e-6)


def test_unknown_mode():
    with pytest.raises(ValueError, match='mode'):
        distil(logits(), logits(), 'fixed')

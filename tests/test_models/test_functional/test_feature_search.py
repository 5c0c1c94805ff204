import pytest
import torch

from mmgl.models.functional import feature_search
from mmgl.models.functional.feature_search import (
    PHASES,
    logistic_noise,
    pixel_statistics,
    selection_gates,
)


def test_noise_is_logistic_and_finite():
    torch.manual_seed(0)
    noise = logistic_noise(torch.empty(200_000))
    # Mean 0 and variance pi^2 / 3.
    assert noise.mean().abs() < 0.02
    assert noise.var().item() == pytest.approx(torch.pi**2 / 3, rel=0.02)
    assert noise.abs().max() < 14


@pytest.mark.parametrize('u', [0.0, 1.0])
def test_noise_at_the_ends_of_the_draw(u, monkeypatch):
    monkeypatch.setattr(
        feature_search.torch,
        'rand_like',
        lambda like: torch.full_like(like, u),
    )
    assert torch.isfinite(logistic_noise(torch.empty(3))).all()


def gates(logits, phase, temperature=1.0, noise=None):
    return selection_gates(
        logits,
        torch.tensor(PHASES.index(phase)),
        torch.tensor(temperature),
        noise,
    )


def test_gates_of_the_phases():
    logits = torch.tensor([-2.0, -0.1, 0.0, 0.1, 3.0])
    assert gates(logits, 'warm-up').tolist() == [1.0] * 5
    assert gates(logits, 'hard').tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]
    torch.testing.assert_close(
        gates(logits, 'search', 0.5), (2 * logits).sigmoid()
    )


def test_low_temperature_decides():
    logits = torch.tensor([-4.0, -1.01, 1.01, 4.0])
    soft = gates(logits, 'search', 0.1)
    assert (soft[:2] < 0.05).all() and (soft[2:] > 0.95).all()
    # At temperature 1 they are undecided.
    assert 0.05 < gates(logits, 'search', 1.0)[1] < 0.95


def test_gates_are_fp32_under_autocast():
    logits = torch.full((3,), 9.0, dtype=torch.bfloat16)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert gates(logits, 'search').dtype == torch.float32


def test_statistics_do_not_miss_absent_zero_channels():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 8, 4, 3, generator=generator).relu()
    kept = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0]).bool()
    masked = x * kept[:, None, None]
    torch.testing.assert_close(
        pixel_statistics(x[:, kept], 8),
        pixel_statistics(masked, 8),
        rtol=1e-5,
        atol=1e-6,
    )
    assert (
        pixel_statistics(10 * x, 8).sub(pixel_statistics(x, 8)).abs().max()
        < 1e-3
    )

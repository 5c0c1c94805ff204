import pytest
import torch

from mmgl.models.layers import AvgPooling, GeMPooling


def test_gem_formula_and_limits():
    x = torch.rand(2, 3, 4, 5)
    want = (x.double() ** 3).mean((2, 3)) ** (1 / 3)
    torch.testing.assert_close(GeMPooling()(x).double(), want)
    assert GeMPooling()(x.double()).dtype == torch.float64
    torch.testing.assert_close(GeMPooling(p=1, eps=1e-9)(x), AvgPooling()(x))
    torch.testing.assert_close(
        GeMPooling(p=400.0)(x), x.amax((2, 3)), rtol=0.01, atol=0
    )


def test_gem_gradient():
    x = torch.rand(2, 3, 4, 5, requires_grad=True)
    got = torch.autograd.grad(GeMPooling()(x).sum(), x)[0]
    want = torch.autograd.grad(((x**3).mean((2, 3)) ** (1 / 3)).sum(), x)[0]
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize('scale', [0.0, 1e-6, 1e-4, 1e-2, 1.0, 100.0])
def test_gem_of_weak_channels_is_that_of_the_published_code(scale):
    x = scale * torch.rand(2, 3, 4, 5, dtype=torch.float64)
    x[:, :, 0] = 0
    x.requires_grad_()
    want = ((x**3).mean((2, 3)) + 1e-12) ** (1 / 3)
    got = GeMPooling()(x)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(got.sum(), x)[0],
        torch.autograd.grad(want.sum(), x)[0],
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize('p', [3.0, 20.0])
def test_dead_channel_and_huge_values_are_finite(p):
    x = torch.zeros(1, 2, 3, 3)
    x[:, 1] = 1e12
    x.requires_grad_()
    pooled = GeMPooling(p)(x)
    pooled.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert pooled.tolist()[0] == pytest.approx([1e-4, 1e12])


def test_gem_is_fp32_under_autocast():
    x = torch.rand(2, 3, 4, 4).bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        pooled = GeMPooling()(x)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, GeMPooling()(x.float()))


def test_bad_exponent():
    with pytest.raises(ValueError, match='p > 0'):
        GeMPooling(p=0)

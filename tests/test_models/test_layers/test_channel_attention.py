import pytest
import torch

from mmgl.models.backbones import OneStreamResNet
from mmgl.models.layers import ChannelAttention


def layer(gamma, channels=5):
    module = ChannelAttention(channels)
    with torch.no_grad():
        module.gamma.fill_(gamma)
    return module


def naive(x, gamma):
    """Loops, with the row maximum subtracted as published."""
    out = torch.empty_like(x)
    for b, image in enumerate(x):
        rows = image.flatten(1)
        for i, row in enumerate(rows):
            energy = torch.stack([(row * other).sum() for other in rows])
            weights = (energy.max() - energy).exp()
            weights = weights / weights.sum()
            mixed = sum(w * r for w, r in zip(weights, rows, strict=True))
            out[b, i] = (gamma * mixed + row).view_as(image[i])
    return out


def test_starts_as_the_identity():
    x = torch.randn(2, 5, 4, 3)
    module = ChannelAttention(5)
    assert torch.equal(module(x, torch.tensor([0, 1])), x)
    module(x).square().sum().backward()
    assert module.gamma.grad.abs() > 0.1  # and can leave it
    assert sum(p.numel() for p in module.parameters()) == 1


def test_equals_naive_loops_with_gradients():
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn_like(x)
    module = layer(0.7).double()
    expected = naive(x, 0.7)
    torch.testing.assert_close(module(x), expected)
    got = torch.autograd.grad((module(x) * weight).sum(), x)
    want = torch.autograd.grad((expected * weight).sum(), x)
    torch.testing.assert_close(got, want)


def test_stable_for_large_activations_and_half_precision():
    # Energies of 1e6, of which exp() is infinite.
    x = 100 * torch.rand(2, 5, 16, 8)
    assert torch.isfinite(layer(1.0)(x)).all()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = layer(1.0)(x.bfloat16())
    assert out.dtype == torch.bfloat16
    assert torch.isfinite(out).all()


@pytest.mark.parametrize('stage', ['layer1', 'layer2', 'layer3'])
def test_as_a_plugin(stage):
    kwargs = dict(depth=18, base_channels=8)
    net = OneStreamResNet(
        plugins={stage: dict(type='ChannelAttention')}, **kwargs
    ).eval()
    plain = OneStreamResNet(**kwargs).eval()
    plain.load_state_dict(net.state_dict(), strict=False)
    assert net.plugins[stage].in_channels == net.stage_channels(stage)
    x, modality = torch.randn(2, 3, 32, 16), torch.tensor([0, 1])
    with torch.no_grad():
        assert torch.equal(net(x, modality), plain(x, modality))
        net.plugins[stage].gamma.fill_(0.5)
        assert not torch.allclose(net(x, modality), plain(x, modality))

import pytest
import torch

from mmgl.models.backbones import OneStreamResNet
from mmgl.models.layers import ModalityAlleviation


def features():
    # Positive, of different scales, as behind a ReLU.
    return torch.rand(3, 32, 6, 4) * torch.rand(3, 32, 1, 1) * 5


def test_equals_the_formula():
    layer, x = ModalityAlleviation(32), features()
    hidden = torch.relu(x.mean((2, 3)) @ layer.fc1.weight.flatten(1).T)
    weight = torch.sigmoid(hidden @ layer.fc2.weight.flatten(1).T)
    want = torch.empty_like(x)
    for b in range(3):
        for c in range(32):
            plane, w = x[b, c], weight[b, c]
            normed = (plane - plane.mean()) / (
                plane.var(unbiased=False) + 1e-5
            ).sqrt()
            want[b, c] = w * plane + (1 - w) * normed
    torch.testing.assert_close(layer(x), want, rtol=1e-4, atol=1e-5)


def test_average_of_the_output_is_the_weighted_average():
    layer, x = ModalityAlleviation(32), features()
    want = layer.weight(x).flatten(1) * x.mean((2, 3))
    torch.testing.assert_close(layer(x).mean((2, 3)), want, rtol=0, atol=1e-6)


def test_no_image_sees_another_in_any_mode():
    layer, x = ModalityAlleviation(32), features()
    trained = layer(x)
    assert torch.equal(layer.eval()(x), trained)
    torch.testing.assert_close(layer(x[1:2]), trained[1:2])


def test_parameters_of_mpanet():
    counts = [
        sum(p.numel() for p in ModalityAlleviation(c).parameters())
        for c in (1024, 2048)
    ]
    assert counts == [131_072, 524_288]
    # Narrow networks keep at least one channel inside.
    assert ModalityAlleviation(8).fc1.out_channels == 1


def test_constant_channels_and_half_precision_stay_finite():
    layer = ModalityAlleviation(4)
    x = torch.full((2, 4, 5, 3), 7.0, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.isfinite().all()
    # 40,000 in 1,000 places: sums and squares leave the range of fp16.
    half = torch.rand(2, 4, 50, 20, dtype=torch.float16) * 4e4
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = layer(half)
    assert out.dtype == torch.float16 and out.isfinite().all()


def test_behind_the_stages_asked_for():
    mam = dict(type='ModalityAlleviation')
    backbone = OneStreamResNet(
        depth=18, base_channels=4, plugins=dict(layer3=mam, layer4=mam)
    )
    assert list(backbone.plugins) == ['layer3', 'layer4']
    assert backbone.plugins['layer3'].fc2.out_channels == 16
    one = OneStreamResNet(
        depth=18, base_channels=4, plugins=dict(layer3=None, layer4=mam)
    )
    assert list(one.plugins) == ['layer4']


def test_bad_reduction():
    with pytest.raises(ValueError, match='reduction'):
        ModalityAlleviation(8, reduction=0)

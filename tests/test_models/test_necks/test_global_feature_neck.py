import torch

from mmgl.models.necks import GlobalFeatureNeck


def test_features():
    neck = GlobalFeatureNeck(8, pool=dict(type='AvgPooling'))
    x = torch.rand(4, 8, 3, 2)
    out = neck(x)
    assert list(out) == list(neck.out_channels) == ['pool', 'bn']
    torch.testing.assert_close(out['pool'], x.mean((2, 3)))
    pooled = x.mean((2, 3))
    want = (
        (pooled - pooled.mean(0))
        / (pooled.var(0, unbiased=False) + 1e-5).sqrt()
        * neck.bn.weight
    )
    torch.testing.assert_close(out['bn'], want, rtol=1e-4, atol=1e-5)


def test_initialisation():
    neck = GlobalFeatureNeck(4096)
    assert abs(neck.bn.weight.mean().item() - 1) < 1e-3
    assert abs(neck.bn.weight.std().item() - 0.01) < 1e-3
    assert neck.pool.p == 3


def test_bias_stays_exactly_zero_in_training():
    neck = GlobalFeatureNeck(8)
    optim = torch.optim.SGD(
        neck.parameters(),
        lr=0.1,
        momentum=0.9,
        weight_decay=0.5,
        nesterov=True,
    )
    weight = neck.bn.weight.detach().clone()
    for _ in range(3):
        optim.zero_grad()
        (neck(torch.rand(4, 8, 3, 2))['bn'] ** 3).sum().backward()
        optim.step()
    assert (neck.bn.bias == 0).all()
    assert not torch.equal(neck.bn.weight, weight)

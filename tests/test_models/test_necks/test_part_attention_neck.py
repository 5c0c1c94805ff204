import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch.nn import functional as F

from mmgl.models.necks import PartAttentionNeck


def normalise(x, bn):
    return (
        (x - x.mean(0))
        / (x.var(0, unbiased=False) + bn.eps).sqrt()
        * (bn.weight)
    )


@pytest.mark.parametrize('scale, factor', [(1.0, 1.0), ('1/sqrt(d)', 8**-0.5)])
def test_features_against_loops(scale, factor):
    neck = PartAttentionNeck(8, scale=scale)
    neck.gate.data = torch.tensor([0.5, -1, 2])
    x = torch.rand(4, 8, 6, 2)
    out = neck(x)
    assert list(out) == list(neck.out_channels) == ['pool', 'bn', 'part']
    pooled = x.mean((2, 3))
    torch.testing.assert_close(out['pool'], pooled)
    bn = normalise(pooled, neck.bn)
    torch.testing.assert_close(out['bn'], bn, rtol=1e-4, atol=1e-4)
    gate = neck.gate.exp() / neck.gate.exp().sum()
    rows = []
    for image in x:
        parts = [image[:, 2 * i : 2 * i + 2].mean((1, 2)) for i in range(3)]
        row = 0
        for i in range(3):
            scores = torch.stack(
                [
                    factor * (neck.query(parts[i]) @ neck.key(part))
                    for part in parts
                ]
            )
            weights = scores.exp() / scores.exp().sum()
            row += gate[i] * sum(
                w * neck.value(part)
                for w, part in zip(weights, parts, strict=True)
            )
        rows.append(row)
    # The residual comes from behind the BNNeck.
    want = normalise(torch.stack(rows) + bn, neck.part_bn)
    torch.testing.assert_close(out['part'], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    'rows, parts', [(6, 3), (18, 3), (7, 3), (4, 3), (5, 5), (3, 1)]
)
def test_stripes_are_adaptive_pooling(rows, parts):
    x = torch.rand(2, 4, rows, 3)
    want = F.adaptive_avg_pool2d(x, (parts, 1)).squeeze(-1).mT
    got = PartAttentionNeck(4, parts).stripes(x)
    torch.testing.assert_close(got, want)


def test_too_few_rows():
    with pytest.raises(ValueError, match='num_parts'):
        PartAttentionNeck(4, 3)(torch.rand(2, 4, 2, 2))


def test_no_image_depends_on_another_in_testing():
    neck = PartAttentionNeck(8)
    neck(torch.rand(6, 8, 6, 2))
    neck.eval()
    x = torch.rand(4, 8, 6, 2)
    torch.testing.assert_close(neck(x[:1])['part'], neck(x)['part'][:1])


def test_initialisation_and_size():
    neck = PartAttentionNeck(2048)
    assert neck.out_channels == dict(pool=2048, bn=2048, part=2048)
    torch.testing.assert_close(neck.gate.detach(), torch.full((3,), 1 / 3))
    assert abs(neck.part_bn.weight.std().item() - 0.01) < 1e-3
    bound = 2048**-0.5
    for layer in (neck.query, neck.key, neck.value):
        assert 0.99 * bound < layer.weight.abs().max() <= bound
    # Three projections, two with bias, the gate and two batch norms.
    assert sum(p.numel() for p in neck.parameters()) == (
        3 * 2048 * 2048 + 2 * 2048 + 3 + 4 * 2048
    )


def test_every_parameter_is_used_and_biases_stay_zero():
    neck = PartAttentionNeck(8)
    optim = torch.optim.SGD(neck.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(2):
        (neck(torch.rand(4, 8, 6, 2))['part'] ** 3).sum().backward()
        optim.step()
    assert (neck.bn.bias == 0).all() and (neck.part_bn.bias == 0).all()
    for name, parameter in neck.named_parameters():
        if not name.endswith('bn.bias'):
            assert parameter.grad.norm() > 1e-6, name


def test_fp32_under_autocast():
    neck = PartAttentionNeck(8)
    x = torch.rand(4, 8, 6, 2)
    want = neck(x)['part']
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = neck(x)['part']
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    'load',
    [
        lambda neck, state: neck.load_state_dict(state),
        # As a Runner does, which only logs what does not fit.
        lambda neck, state: load_state_dict(neck, state, strict=False),
    ],
)
def test_checkpoint_with_other_parts_is_refused(load):
    state = PartAttentionNeck(8, 6).state_dict()
    with pytest.raises(ValueError, match='num_parts=6'):
        load(PartAttentionNeck(8, 3), state)
    neck = PartAttentionNeck(8, 6)
    load(neck, state)
    assert torch.equal(neck.query.weight, state['query.weight'])


@pytest.mark.parametrize(
    'bad', [dict(num_parts=0), dict(scale=0.0), dict(scale='half')]
)
def test_bad_settings(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        PartAttentionNeck(8, **bad)

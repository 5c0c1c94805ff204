"""Parts of DEEN against loops."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmgl.checkpoints.fit import load_backbone
from mmgl.models.backbones import TwoStreamResNet
from mmgl.models.layers import MultistageAggregation
from mmgl.models.losses import DiverseEmbeddingLoss
from mmgl.models.necks import DiverseEmbeddingNeck
from mmgl.utils.errors import ConfigError

PLUGIN = dict(type='MultistageAggregation')


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def naive_triplet(rows, labels, margin=0.3):
    total = 0
    for i in range(len(rows)):
        dist = [(rows[i] - row).norm() for row in rows]
        pairs = list(zip(dist, labels, strict=True))
        same = [d for d, p in pairs if p == labels[i]]
        others = [d for d, p in pairs if p != labels[i]]
        total = total + F.relu(max(same) - min(others) + margin)
    return total / len(rows)


def naive_pairs(x, pids, modality, margin=0.2):
    """Center-guided pair mining; identities of one modality do not count."""
    whole = [
        p
        for p in set(pids.tolist())
        if len(set(modality[pids == p].tolist())) == 2
    ]

    def center(branch, person, mode):
        return x[(pids == person) & (modality == mode), branch].mean(0)

    def dist(a, b):
        return (center(*a) - center(*b)).norm()

    total = 0
    for k in range(1, x.shape[1]):
        for p in whole:
            others = [q for q in whole if q != p]
            for near, far in ((1, 0), (0, 1)):
                pull = dist((0, p, near), (k, p, far))
                push = dist((0, p, far), (k, p, far)).detach()
                term = F.relu(pull - push + margin)
                for branch in (k, 0):
                    least = min(
                        dist((branch, p, far), (branch, q, far))
                        for q in others
                    )
                    term = term + F.relu(pull - least + margin) / 2
                total = total + term / len(whole) / 2
    return total


@pytest.mark.parametrize('branches', [2, 3, 4])
@pytest.mark.parametrize('scale', [0.02, 1.0])
def test_loss_equals_a_loop(branches, scale):
    # In mixed order, groups of different sizes, one of one modality.
    pids = torch.tensor([7, 3, 3, 9, 7, 3, 9, 9, 9, 7, 5])
    modality = torch.tensor([0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1])
    x = (scale * double(11, branches, 6)).requires_grad_()
    y = x.detach().clone().requires_grad_()
    loss = DiverseEmbeddingLoss()(x, pids, modality)
    loss.backward()
    rows = [y[b, k] for b in range(11) for k in range(branches)]
    labels = [p for p in pids.tolist() for _ in range(branches)]
    products = sum(
        y[b, i] @ y[b, j]
        for b in range(11)
        for i in range(1, branches)
        for j in range(i + 1, branches)
    )
    want = (
        naive_triplet(rows, labels)
        + 0.8 * naive_pairs(y, pids, modality)
        + 0.01 * products / (branches * 11)
    )
    want.backward()
    torch.testing.assert_close(loss, want)
    torch.testing.assert_close(x.grad, y.grad)
    assert x.grad.isfinite().all() and loss > 0


def test_loss_of_a_batch_of_one_modality_is_finite():
    x = torch.randn(4, 3, 6, requires_grad=True)
    pids = torch.tensor([0, 0, 1, 1])
    loss = DiverseEmbeddingLoss()(x, pids, torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert loss.isfinite() and x.grad.isfinite().all()
    with pytest.raises(ValueError, match="feature='branches'"):
        DiverseEmbeddingLoss()(x[:, 0], pids, pids % 2)


def naive_attention(layers, high, low, sampled, parts):
    """Both attentions of one image, number by number."""
    theta, phi = layers['theta'](high)[0], layers['phi'](low)[0]
    g = layers['g'](low)[0]
    shape = theta.shape
    theta, phi, g = (t.reshape(len(t) * parts, -1) for t in (theta, phi, g))
    found = torch.zeros_like(theta)
    for c in range(len(theta)):
        for i in range(theta.shape[1]):
            if sampled:
                for d in range(len(g)):
                    weight = (theta[c] * phi[d]).sum() / len(phi)
                    found[c, i] += weight * g[d, i]
            else:
                for j in range(g.shape[1]):
                    weight = (theta[:, i] * phi[:, j]).sum() / g.shape[1]
                    found[c, i] += weight * g[c, j]
    return high + layers['bn'](layers['out'](found.reshape(shape)[None]))


@pytest.mark.parametrize('published', [False, True])
@pytest.mark.parametrize('step', [1, 2])
def test_aggregation_equals_loops(published, step):
    layer = MultistageAggregation(6, 4, published=published).double().eval()
    for part in (layer.by_channel, layer.by_position):
        nn.init.uniform_(part['bn'].weight, 0.5, 1.5)
    low, high = double(1, 4, 4, 6), double(1, 6, 4 // step, 6 // step)
    with torch.no_grad():
        sampled = low[:, :, ::step, ::step]
        want = naive_attention(layer.by_channel, high, sampled, True, 1)
        parts = 2 if published else 1
        want = naive_attention(layer.by_position, want, low, False, parts)
        torch.testing.assert_close(layer(high, None, low), want)


def test_aggregation_starts_as_the_identity_and_takes_odd_maps():
    layer = MultistageAggregation(6, 4)
    high, low = torch.randn(2, 6, 3, 3), torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(layer(high, None, low), high)
    layer.published = True
    with pytest.raises(ValueError, match=r'\(5, 5\).*\(3, 3\)'):
        layer(high, None, low)


def network(**changes):
    torch.manual_seed(0)
    plugins = dict(
        layer1=PLUGIN, layer2=PLUGIN, layer3=dict(PLUGIN, expansions=2)
    )
    plugins['layer3'].update(changes)
    return TwoStreamResNet(18, base_channels=4, plugins=plugins)


def test_backbone_makes_three_maps_the_first_its_own():
    backbone = network().eval()
    plain = TwoStreamResNet(18, base_channels=4).eval()
    state = backbone.state_dict()
    plain.load_state_dict({k: state[k] for k in plain.state_dict()})
    images, modality = torch.rand(4, 3, 96, 48), torch.tensor([0, 1, 1, 0])
    with torch.no_grad():
        maps = backbone(images, modality)
        assert list(maps) == ['branch_0', 'branch_1', 'branch_2']
        # Attentions are the identity at first.
        torch.testing.assert_close(maps['branch_0'], plain(images, modality))
        assert not torch.allclose(maps['branch_1'], maps['branch_2'])
        neck = DiverseEmbeddingNeck(backbone.out_channels).eval()
        features = neck(maps)
    assert features['branches'].shape == (4, 3, 32)
    # Products of the concatenation are the sum of those of unit vectors.
    concat = features['concat']
    products = sum(
        F.normalize(part) @ F.normalize(part).T
        for i in range(3)
        for part in (features['branches'][:, i], features[f'bn_{i}'])
    )
    torch.testing.assert_close(concat @ concat.T, products)
    assert {k: v.shape[-1] for k, v in features.items()} == neck.out_channels


def test_expansion_is_three_dilated_convolutions():
    layer = MultistageAggregation(8, 4, expansions=1, dropout=0.0)
    x = torch.randn(2, 8, 5, 4)
    out = layer(x, None, torch.randn(2, 4, 5, 4))
    (branch,) = layer.expansion.branches
    inner = sum(
        F.conv2d(x, conv.weight, padding=d, dilation=d)
        for d, conv in zip((1, 2, 3), branch.convs, strict=True)
    )
    torch.testing.assert_close(out[:2], x)
    torch.testing.assert_close(out[2:], branch.mix((inner / 3).relu()))


def test_a_neck_for_another_number_of_maps():
    backbone = network(expansions=1)
    maps = backbone(torch.rand(2, 3, 96, 48), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match='expansions of .* to 2'):
        DiverseEmbeddingNeck(backbone.out_channels)(maps)


def test_a_short_backbone_is_the_first_stages_of_a_whole_one():
    whole = TwoStreamResNet(depth=18, base_channels=8).double().eval()
    short = TwoStreamResNet(depth=18, base_channels=8, num_stages=3).double()
    assert short.out_channels == short.stage_channels('layer3') == 32
    assert whole.stage_channels('layer3') == 32 and whole.out_channels == 64
    state = whole.state_dict(prefix='backbone.')
    report = load_backbone(short, dict(state_dict=state), 'mmgl')
    assert {name.split('.')[0] for name in report.dropped} == {'layer4'}
    images, modality = double(4, 3, 48, 24), torch.tensor([0, 1, 1, 0])
    stem = whole.forward_stem(images, modality)
    stages = ['layer1', 'layer2', 'layer3']
    expected = whole.forward_trunk(stem, modality, stages)
    torch.testing.assert_close(short.eval()(images, modality), expected)
    # A whole one misses what a short one has not.
    state = short.state_dict(prefix='backbone.')
    with pytest.raises(ConfigError, match='layer4'):
        load_backbone(whole, dict(state_dict=state), 'mmgl')


def test_a_short_backbone_expands_behind_its_second_stage():
    plugins = dict(layer2=dict(PLUGIN, expansions=2), layer3=None)
    short = TwoStreamResNet(
        depth=18, base_channels=8, num_stages=3, plugins=plugins
    )
    maps = short(torch.randn(4, 3, 48, 32), torch.tensor([0, 1, 1, 0]))
    assert [one.shape for one in maps.values()] == 3 * [(4, 32, 3, 2)]
    with pytest.raises(ValueError, match="no stage.*'layer4'"):
        TwoStreamResNet(num_stages=3, plugins=dict(layer4=PLUGIN))
    with pytest.raises(ValueError, match='num_stages'):
        TwoStreamResNet(num_stages=5)

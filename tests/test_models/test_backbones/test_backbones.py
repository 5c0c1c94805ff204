import pytest
import torch
import torchvision
from torch.nn.modules.batchnorm import _BatchNorm

from mmgl.checkpoints.fit import load_backbone
from mmgl.models.backbones import OneStreamResNet, TwoStreamResNet
from mmgl.registry import MODELS

BOTH = [OneStreamResNet, TwoStreamResNet]


def narrow(cls=TwoStreamResNet, **kwargs):
    kwargs = {'depth': 18, 'base_channels': 8, **kwargs}
    net = cls(**kwargs)
    # Norm statistics differ between stems, as after training.
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_resnet50_shape_and_parameters():
    """Full size: about one second, the figures of Table I need it."""
    reference = torchvision.models.resnet50()
    trunk = sum(count(getattr(reference, f'layer{i}')) for i in range(1, 5))
    stem = count(reference.conv1) + count(reference.bn1)
    one, two = OneStreamResNet(), TwoStreamResNet()
    assert count(one) == trunk + stem
    assert count(two) == trunk + 2 * stem
    two.eval()
    with torch.no_grad():
        out = two(torch.randn(2, 3, 288, 144), torch.tensor([0, 1]))
    assert out.shape == (2, 2048, 18, 9)
    assert two.out_channels == 2048


@pytest.mark.parametrize('depth', [18, 50])
def test_equals_torchvision_with_its_weights(depth):
    """Full width (0.5 s): the weights are torchvision's own."""
    reference = getattr(torchvision.models, f'resnet{depth}')().eval()
    for module in reference.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    features = torch.nn.Sequential(*list(reference.children())[:-2])
    one = OneStreamResNet(depth, last_stride=2).eval()
    two = TwoStreamResNet(depth, last_stride=2, non_local='agw').eval()
    load_backbone(one, reference.state_dict(), 'imagenet')
    load_backbone(two, reference.state_dict(), 'imagenet')
    x = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        want = features(x)
        # Relative to the largest activation.
        atol = 1e-5 * want.abs().max().item()
        for net in (one, two):
            got = net(x, torch.tensor([1, 0]))
            torch.testing.assert_close(got, want, rtol=0, atol=atol)


@pytest.mark.parametrize(
    'depth,channels', [(18, 64), (34, 64), (50, 256), (101, 256)]
)
@pytest.mark.parametrize('cls', BOTH)
def test_depths_and_width(cls, depth, channels):
    net = cls(depth, base_channels=8, non_local='agw').eval()
    out = net(torch.randn(1, 3, 64, 32), torch.tensor([1]))
    assert out.shape == (1, channels, 4, 2)
    assert net.out_channels == channels
    narrower = cls(depth, base_channels=8, last_stride=2).eval()
    assert narrower(torch.randn(1, 3, 64, 32), torch.tensor([1])).shape == (
        1,
        channels,
        2,
        1,
    )


def test_non_local_places_and_parameters():
    published = TwoStreamResNet(50, non_local='agw')
    assert list(published.non_local) == [
        'layer2_2',
        'layer2_3',
        'layer3_3',
        'layer3_4',
        'layer3_5',
    ]
    assert count(published.non_local) == 28687
    half = OneStreamResNet(50, non_local='agw', non_local_channels='half')
    assert count(half.non_local) == 7358464
    assert list(narrow(non_local='agw').non_local) == [
        'layer2_0',
        'layer2_1',
        'layer3_0',
        'layer3_1',
    ]
    assert list(OneStreamResNet(101, 4, non_local='agw').non_local) == [
        'layer2_2',
        'layer2_3',
        'layer3_20',
        'layer3_21',
        'layer3_22',
    ]


def test_non_local_block_changes_the_output_once_its_norm_moves():
    net = narrow(non_local='agw').eval()
    x, modality = torch.randn(2, 3, 32, 16), torch.tensor([0, 1])
    before = net(x, modality)
    for name in net.non_local:
        block = net.non_local[name]
        block.bn.bias.data.fill_(0.5)
        assert not torch.allclose(net(x, modality), before)
        block.bn.bias.data.zero_()
    assert torch.equal(net(x, modality), before)


@pytest.mark.parametrize(
    'order',
    [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1]],
)
def test_mixed_batch_equals_runs_by_modality(order):
    net = narrow().eval()
    x, modality = torch.randn(4, 3, 32, 16), torch.tensor(order)
    got = net(x, modality)
    for value, stem in ((0, net.visible_stem), (1, net.infrared_stem)):
        rows = modality == value
        want = net.forward_trunk(stem(x[rows]), modality[rows])
        torch.testing.assert_close(got[rows], want)
        alone = net(x[rows], modality[rows])
        torch.testing.assert_close(alone, want)


@pytest.mark.parametrize('cls', BOTH)
def test_equivariant_to_batch_order(cls):
    net = narrow(cls, non_local='agw').eval()
    x, modality = torch.randn(6, 3, 32, 16), torch.tensor([0, 0, 0, 1, 1, 1])
    order = torch.tensor([4, 0, 3, 1, 5, 2])
    torch.testing.assert_close(
        net(x[order], modality[order]), net(x, modality)[order]
    )


@pytest.mark.parametrize('value', [0, 1])
def test_single_modality_training_batch(value):
    net = narrow()
    other = (net.infrared_stem, net.visible_stem)[value]
    used = (net.visible_stem, net.infrared_stem)[value]
    before = {k: v.clone() for k, v in other.state_dict().items()}
    net(torch.randn(3, 3, 32, 16), torch.full((3,), value)).sum().backward()
    assert all(p.grad is None for p in other.parameters())
    assert all(p.grad is not None for p in used.parameters())
    after = other.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


@pytest.mark.parametrize('cls', BOTH)
def test_no_dead_parameters(cls):
    net = narrow(cls, non_local='agw')
    net(torch.randn(4, 3, 32, 16), torch.tensor([0, 1, 0, 1])).sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None] == []


def test_initialisation():
    net = TwoStreamResNet(18, base_channels=32)
    weight = net.layer3[0].conv1.weight  # 128 outputs, 3x3
    assert weight.std().item() == pytest.approx(
        (2 / (128 * 9)) ** 0.5, rel=0.05
    )
    assert not torch.equal(
        net.visible_stem.conv1.weight, net.infrared_stem.conv1.weight
    )
    assert (net.layer1[0].bn2.weight == 1).all()


def test_norm_eval_freezes_statistics_only():
    net = narrow(norm_eval=True).train()
    before = net.layer1[0].bn1.running_mean.clone()
    net(torch.randn(2, 3, 32, 16), torch.tensor([0, 1])).sum().backward()
    assert torch.equal(net.layer1[0].bn1.running_mean, before)
    assert net.layer1[0].bn1.weight.grad is not None
    assert net.training and not net.visible_stem.bn1.training
    moving = narrow().train()
    before = moving.layer1[0].bn1.running_mean.clone()
    moving(torch.randn(2, 3, 32, 16), torch.tensor([0, 1]))
    assert not torch.equal(moving.layer1[0].bn1.running_mean, before)


@pytest.mark.parametrize('cls', BOTH)
@pytest.mark.parametrize(
    'modality', [torch.tensor([0, 1, 1]), torch.tensor([[0, 1]])]
)
def test_modality_of_wrong_shape(cls, modality):
    with pytest.raises(ValueError, match='one modality number for each'):
        narrow(cls)(torch.randn(2, 3, 32, 16), modality)


def test_modality_of_wrong_value_or_type():
    net, x = narrow(), torch.randn(2, 3, 32, 16)
    with pytest.raises(ValueError, match=r'0 \(visible\).*got \[0, 2\]'):
        net(x, torch.tensor([0, 2]))
    for bad in ([0, 1], None, torch.tensor([0.0, 1.0])):
        with pytest.raises(TypeError, match='modality as a tensor'):
            net(x, bad)
    with pytest.raises(ValueError, match='non-empty'):
        net(x[:0], torch.tensor([], dtype=torch.long))


@pytest.mark.parametrize(
    'setting',
    [
        dict(depth=20),
        dict(base_channels=0),
        dict(last_stride=3),
        dict(non_local='all'),
        dict(non_local_channels=0),
        dict(non_local_channels='quarter'),
    ],
)
def test_bad_settings_name_the_key(setting):
    with pytest.raises(
        ValueError, match=f'OneStreamResNet needs {[*setting][0]} '
    ):
        OneStreamResNet(**setting)


def test_registered():
    net = MODELS.build(dict(type='TwoStreamResNet', depth=18, base_channels=4))
    assert isinstance(net, TwoStreamResNet)

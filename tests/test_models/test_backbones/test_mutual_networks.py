import pytest
import torch

from mmgl.checkpoints import reader
from mmgl.checkpoints.export import export_backbone
from mmgl.checkpoints.fit import load_backbone
from mmgl.models.backbones import MutualNetworks, OneStreamResNet
from mmgl.models.backbones.mutual_networks import gray_images

CONFIG = dict(type='OneStreamResNet', depth=18, base_channels=4)
ATTENTION = dict(type='ChannelAttention')
PLUGINS = dict(layer1=ATTENTION, layer2=ATTENTION, layer3=ATTENTION)


def build(**kwargs):
    return MutualNetworks(dict(CONFIG, **kwargs))


def test_gray_images():
    x = torch.randn(2, 3, 4, 5)
    gray = gray_images(x)
    expected = 0.2989 * x[:, 0] + 0.5870 * x[:, 1] + 0.1140 * x[:, 2]
    for channel in range(3):
        torch.testing.assert_close(gray[:, channel], expected)


def test_branches_get_the_right_image_and_network():
    backbone = build().eval()
    x, modality = torch.randn(2, 3, 32, 16), torch.tensor([0, 1])
    gray = gray_images(x)
    nets = backbone.networks
    with torch.no_grad():
        maps = backbone(x, modality)
        expected = dict(
            infrared=nets['infrared'](gray, modality),
            shared_gray=nets['shared'](gray, modality),
            visible=nets['visible'](x, modality),
            shared=nets['shared'](x, modality),
        )
    # The order is that of the test feature.
    assert list(maps) == list(expected)
    for name, value in expected.items():
        assert torch.equal(maps[name], value)
        assert value.shape == (2, backbone.out_channels, 2, 1)
    # The modality is not looked at, and each network is another one.
    with torch.no_grad():
        flipped = backbone(x, 1 - modality)
    assert all(torch.equal(maps[name], flipped[name]) for name in maps)
    assert not torch.allclose(maps['visible'], maps['shared'])
    assert not torch.allclose(maps['infrared'], maps['shared_gray'])


def test_independent_random_weights():
    nets = build().networks
    assert list(nets) == ['visible', 'infrared', 'shared']
    first = [net.stem.conv1.weight for net in nets.values()]
    for i in range(3):
        assert not torch.equal(first[i], first[i - 1])


def check_loaded(backbone, source, report):
    """All three networks hold the source; attention is fresh."""
    for name, net in backbone.networks.items():
        for key, value in net.state_dict().items():
            path = f'networks.{name}.{key}'
            if key.startswith('plugins.'):
                assert path in report.fresh
                assert value.item() == 0
            else:
                assert path in report.matched
                assert torch.equal(value, source[key])
    total = len(report.fresh) + len(report.matched)
    assert total == len(backbone.state_dict())


def test_imagenet_goes_into_every_network():
    source = OneStreamResNet(18, 4).state_dict()
    state = {k.removeprefix('stem.'): v for k, v in source.items()}
    state['fc.weight'] = torch.zeros(3, 3)
    backbone = build(plugins=PLUGINS)
    report = load_backbone(backbone, state, 'imagenet')
    check_loaded(backbone, source, report)
    assert report.dropped == ('fc.weight',)


def test_mmgl_goes_into_every_network():
    source = OneStreamResNet(18, 4).state_dict()
    state = {f'backbone.{k}': v for k, v in source.items()}
    backbone = build(plugins=PLUGINS)
    report = load_backbone(
        backbone, state, 'mmgl', allow_missing=('plugins.',)
    )
    check_loaded(backbone, source, report)


@pytest.mark.parametrize('several', [False, True])
def test_a_file_for_every_network_is_read_once(tmp_path, monkeypatch, several):
    model = torch.nn.Module()
    model.backbone = build() if several else OneStreamResNet(18, 4)
    path, read = export_backbone(model, tmp_path / 'a.pth'), []
    once = reader._read
    monkeypatch.setattr(reader, '_read', lambda *a: read.append(a) or once(*a))
    report = load_backbone(build(), path, 'mmgl')
    assert report.source == str(path) and len(read) == 1


def test_a_misfit_is_refused():
    state = {
        f'backbone.{k}': v
        for k, v in OneStreamResNet(18, 8).state_dict().items()
    }
    backbone = build()
    before = backbone.networks['visible'].layer1[0].conv1.weight.clone()
    with pytest.raises(ValueError, match='of another shape'):
        load_backbone(backbone, state, 'mmgl')
    assert torch.equal(
        before, backbone.networks['visible'].layer1[0].conv1.weight
    )


def test_own_checkpoint_is_no_source_for_one_network(tmp_path):
    """Three networks do not fit into one: refused, not guessed."""
    model = torch.nn.Module()
    model.backbone = build()
    path = export_backbone(model, tmp_path / 'three.pth')
    with pytest.raises(ValueError, match='missing'):
        load_backbone(OneStreamResNet(18, 4), path, 'mmgl')

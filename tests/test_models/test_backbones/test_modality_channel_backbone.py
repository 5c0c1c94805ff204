import copy

import pytest
import torch

from mmgl.models.backbones import (
    ModalityChannelBackbone,
    OneStreamResNet,
    TwoStreamResNet,
)

SMALL = dict(depth=18, base_channels=4)


def net(kind='TwoStreamResNet'):
    torch.manual_seed(0)
    return ModalityChannelBackbone(dict(type=kind, **SMALL))


def images(modality, size=(32, 16)):
    """Random images with the modality as fourth channel."""
    modality = torch.tensor(modality)
    x = torch.randn(len(modality), 3, *size)
    plane = modality.view(-1, 1, 1, 1).expand(-1, 1, *size)
    return torch.cat([x, plane.to(x)], 1), modality


@pytest.mark.parametrize(
    'kind, cls',
    [
        ('TwoStreamResNet', TwoStreamResNet),
        ('OneStreamResNet', OneStreamResNet),
    ],
)
@pytest.mark.parametrize('modality', [[0, 1, 0, 0, 1], [1, 1], [0, 0, 0]])
def test_equals_the_network_given_the_modality(kind, cls, modality):
    adapter = net(kind)
    x, modality = images(modality)
    assert type(adapter.network) is cls
    (feature_map,) = adapter(x)
    expected = adapter.network(x[:, :3], modality)
    assert torch.equal(feature_map, expected)
    assert feature_map.shape == (len(x), adapter.out_channels, 2, 1)


def test_order_of_the_batch_makes_no_difference():
    adapter = net()
    x, _ = images([0, 1, 1, 0, 1, 0])
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    straight, permuted = adapter(x)[0], adapter(x[order])[0]
    assert torch.allclose(straight[order], permuted, atol=1e-5)
    assert not torch.allclose(straight, permuted, atol=1e-2)


def test_each_stem_sees_its_modality():
    adapter = net().eval()
    x, modality = images([0, 1, 1, 0])
    before = adapter(x)[0]
    with torch.no_grad():
        adapter.network.infrared_stem.conv1.weight.zero_()
    changed = (adapter(x)[0] != before).flatten(1).any(1)
    assert changed.tolist() == [bool(m) for m in modality]


def test_a_copy_routes_by_itself():
    adapter = net()
    twin = copy.deepcopy(adapter)
    x, _ = images([1, 0, 1])
    assert torch.equal(adapter(x)[0], twin(x)[0])
    mine, its = (m.network.infrared_stem.conv1.weight for m in (adapter, twin))
    assert mine.data_ptr() != its.data_ptr()


def test_fp32_under_autocast():
    x, _ = images([0, 1])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        adapter = net()
        assert (
            adapter.network(x[:, :3], torch.tensor([0, 1])).dtype
            == torch.bfloat16
        )
        assert adapter(x)[0].dtype == torch.float32


@pytest.mark.parametrize('shape', [(2, 3, 32, 16), (4, 32, 16)])
def test_images_without_modality_are_refused(shape):
    with pytest.raises(ValueError, match='ModalityChannelPreprocessor'):
        net()(torch.zeros(shape))

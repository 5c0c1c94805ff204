import pytest
import torch

from mmgl.models.functional.distillation import BRANCHES, NETWORKS
from mmgl.models.necks import MutualBottleneckNeck


def size(module):
    return sum(p.numel() for p in module.parameters())


def maps(channels=6, batch=4):
    return {name: torch.randn(batch, channels, 3, 2) for name in BRANCHES}


def small(**kwargs):
    return MutualBottleneckNeck(
        6, hidden_channels=(5, 4), representation_channels=3, **kwargs
    )


def test_published_sizes():
    """As counted in the public code, for ResNet-50."""
    neck = MutualBottleneckNeck(2048)
    assert list(neck.bottleneck) == list(NETWORKS)
    for name in NETWORKS:
        assert size(neck.bottleneck[name]) == 2_809_012
        assert torch.equal(neck.bn[name].weight, torch.ones(2048))
        assert not neck.bn[name].bias.requires_grad
    assert neck.out_channels['concat'] == 8192
    assert neck.out_channels['obs_shared'] == 2048
    assert neck.out_channels['rep_shared'] == 512


def test_initial_values():
    """Kaiming by fan-out, batch norm N(1, 0.02)."""
    layers = MutualBottleneckNeck(2048).bottleneck['visible']
    for index, fan_out in ((0, 1000), (3, 500), (6, 512)):
        std = layers[index].weight.std().item()
        assert std == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
        assert not layers[index].bias.any()
    assert layers[1].weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert not layers[1].bias.any()
    assert isinstance(layers[-1], torch.nn.Linear)


def test_features_of_each_branch():
    neck, inputs = small(), maps()
    for module in neck.bn.values():
        module.running_mean.normal_()
        module.running_var.uniform_(0.5, 2)
        torch.nn.init.normal_(module.weight)
    neck.eval()
    out = neck(inputs)
    assert set(out) == set(neck.out_channels)
    for branch, network in BRANCHES.items():
        observation = neck.bn[network](inputs[branch].mean((2, 3)))
        representation = neck.bottleneck[network](observation)
        torch.testing.assert_close(out[f'obs_{branch}'], observation)
        torch.testing.assert_close(out[f'rep_{branch}'], representation)
    assert torch.equal(
        out['concat'],
        torch.cat(
            [
                out['obs_infrared'],
                out['obs_shared_gray'],
                out['obs_visible'],
                out['obs_shared'],
            ],
            1,
        ),
    )
    for name, value in out.items():
        assert value.shape == (4, neck.out_channels[name])


def test_each_pass_normalises_by_itself():
    """Grey and coloured images of the shared network are two batches."""
    neck, inputs = small(), maps()
    inputs['shared'] = inputs['shared'] + 100
    out = neck(inputs)
    for name in ('obs_shared', 'obs_shared_gray'):
        torch.testing.assert_close(
            out[name].mean(0), torch.zeros(6), atol=1e-3, rtol=0
        )
    assert neck.bn['shared'].num_batches_tracked == 2
    assert neck.bn['visible'].num_batches_tracked == 1


def test_pool_can_be_chosen():
    neck = small(pool=dict(type='GeMPooling', p=3)).eval()
    inputs = {k: v.abs() for k, v in maps().items()}
    pooled = inputs['visible'].pow(3).mean((2, 3)).pow(1 / 3)
    torch.testing.assert_close(
        neck(inputs)['obs_visible'], pooled, rtol=1e-4, atol=1e-4
    )

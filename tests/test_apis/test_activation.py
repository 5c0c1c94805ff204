"""Where the images of a person are alike for a model."""

import numpy as np
import pytest
import torch
from deployed import CONFIG
from torch import nn
from torch.nn import functional as F

from mmgl.apis.activation import (
    choose_pairs,
    heat_of_pair,
    maps_of_parts,
    run_activation,
)
from mmgl.registry import MODELS
from mmgl.utils.errors import ConfigError
from mmgl.visualization import ExplainedPair, activation_figure

pytest.importorskip('pytorch_grad_cam')
NECKS = [
    dict(type='PatternAlignmentNeck', num_parts=3),
    dict(type='PartAttentionNeck', num_parts=3),
    dict(type='GlobalFeatureNeck'),
]


class TwoFilters(nn.Module):
    """Bright and dark places of an image, averaged."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 2, 4, stride=4)
        weight = torch.ones(2, 3, 4, 4) / 48
        weight[1] *= -1
        self.backbone.weight = nn.Parameter(weight)
        self.backbone.bias = nn.Parameter(torch.tensor([0.0, 0.3]))

    def forward(self, inputs, targets, mode):
        assert mode == 'tensor' and len(targets['modality']) == 2
        return self.backbone(inputs).relu().mean(dim=(2, 3))


def two_images():
    images = torch.zeros(2, 3, 32, 16)
    images[0, :, 4:8, 8:12] = 1
    images[1, :, 20:28, 4:8] = 1
    return images


def test_the_heat_is_grad_cam_of_the_similarity():
    model, images = TwoFilters(), two_images()
    targets = dict(modality=torch.tensor([1, 0]))
    heat, similarity = heat_of_pair(model, images, targets)
    maps = model.backbone(images).detach().requires_grad_()
    vectors = F.normalize(maps.relu().mean(dim=(2, 3)), dim=1)
    one, other = vectors
    assert similarity == pytest.approx(float((one @ other).detach()), abs=1e-6)
    (one @ other.detach() + other @ one.detach()).backward()
    weights = maps.grad.mean(dim=(2, 3), keepdim=True)
    rough = (weights * maps.detach()).sum(dim=1).relu().numpy()
    assert heat.shape == (2, 32, 16)
    for found, expected in zip(heat, rough, strict=True):
        assert 0 <= found.min() and found.max() == pytest.approx(1, abs=1e-3)
        peak = np.unravel_index(expected.argmax(), expected.shape)
        place = np.unravel_index(found.argmax(), found.shape)
        assert [at // 4 for at in place] == list(peak)
        coarse = found.reshape(8, 4, 4, 4).mean(axis=(1, 3))
        assert np.corrcoef(coarse.ravel(), expected.ravel())[0, 1] > 0.9


def test_several_maps_count_as_the_channels_of_one():
    class Several(TwoFilters):
        def __init__(self):
            super().__init__()
            self.whole, self.backbone = self.backbone, Split(self.backbone)

        def forward(self, inputs, targets, mode):
            maps = self.backbone(inputs)
            assert set(maps) == {'bright', 'dark'}
            vectors = [one.relu().mean(dim=(2, 3)) for one in maps.values()]
            return torch.cat(vectors, dim=1)

    class Split(nn.Module):
        def __init__(self, whole):
            super().__init__()
            self.whole = whole

        def forward(self, inputs):
            maps = self.whole(inputs)
            return dict(bright=maps[:, :1], dark=maps[:, 1:])

    targets = dict(modality=torch.tensor([1, 0]))
    one, several = TwoFilters(), Several()
    expected, cosine = heat_of_pair(one, two_images(), targets)
    heat, similarity = heat_of_pair(several, two_images(), targets)
    assert similarity == cosine and np.isfinite(heat).all()
    np.testing.assert_allclose(heat, expected, atol=1e-6)
    # The model is as it was.
    assert not several.backbone._forward_hooks


@pytest.mark.parametrize('neck', NECKS)
def test_parts_are_masks_or_weighed_stripes(neck):
    torch.manual_seed(0)
    backbone = dict(type='OneStreamResNet', depth=18, base_channels=8)
    model = MODELS.build(dict(type='ReIDModel', backbone=backbone, neck=neck))
    model.eval()
    what = model, torch.rand(2, 3, 96, 48), dict(modality=torch.tensor([1, 0]))
    if neck['type'] == 'GlobalFeatureNeck':
        with pytest.raises(
            ConfigError, match='GlobalFeatureNeck has no parts'
        ):
            maps_of_parts(*what)
        return
    maps, weights = maps_of_parts(*what)
    assert maps.shape[:2] == (2, 3) and np.isfinite(maps).all()
    if neck['type'] == 'PatternAlignmentNeck':
        rough = model.backbone(what[1], what[2]['modality'])
        expected = torch.sigmoid(model.neck.mask(rough)).detach().numpy()
        np.testing.assert_allclose(maps, expected, atol=1e-6)
        assert weights == []
    else:
        with torch.no_grad():
            model.neck.gate.copy_(torch.tensor([0.0, 1.0, 2.0]))
        _, weights = maps_of_parts(*what)
        wanted = np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
        np.testing.assert_allclose(weights, wanted, rtol=1e-5)
        assert maps[0, 2].ravel().tolist() == [0, 0, 1]
    image = np.zeros((96, 48, 3), np.uint8)
    pair = ExplainedPair((image, image), (maps[0], maps[1]), 0.5, weights)
    figure = activation_figure({'a': [pair], 'b': [pair, pair]})
    shown = [ax for ax in figure.subfigs[0].axes if ax.images]
    assert [len(ax.images) for ax in shown] == [1, 2, 2, 2] * 2
    titles = [ax.get_title() for ax in shown]
    assert titles[0] == 'infrared' and titles[4] == 'visible'
    assert titles[3] == (f'{weights[2]:.2f}' if weights else '')


class People:
    pids = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    modalities = np.array([0, 1, 0, 1, 0, 0, 1, 1])

    def field(self, name):
        return self.pids if name == 'pid' else self.modalities


def test_pairs_are_of_people_seen_in_both():
    assert sorted(choose_pairs(People(), 9)) == [(1, 0), (3, 2)]
    assert len(choose_pairs(People(), 1)) == 1
    one = People()
    one.modalities = np.zeros(8, dtype=int)
    with pytest.raises(ConfigError, match='nobody in both'):
        choose_pairs(one, 1)


def test_the_tool_draws_pairs_of_models(
    checkpoint, tiny_sysu, tmp_path, capsys
):
    out = tmp_path / 'heat.png'
    words = [str(checkpoint), '--config', CONFIG, '--data-root', tiny_sysu]
    words += ['--num-pairs', '2', '--names', 'AGW', '--out', str(out)]
    run_activation(words)
    assert out.read_bytes().startswith(b'\x89PNG')
    assert str(out) in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        run_activation([*words, '--split', 'val_test'])
    assert end.value.code == 2
    assert '--allow-seen' in capsys.readouterr().err

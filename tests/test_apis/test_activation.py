"""Where the images of a person are alike for a model."""

import numpy as np
import pytest
import torch
from deployed import CONFIG
from torch import nn
from torch.nn import functional as F

from mmgl.apis.activation import choose_pairs, heat_of_pair, run_activation
from mmgl.utils.errors import ConfigError

pytest.importorskip('pytorch_grad_cam')


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


def test_several_maps_are_refused():
    class Several(nn.Module):
        def forward(self, inputs):
            return dict(a=inputs, b=inputs)

    model = TwoFilters()
    model.forward = lambda inputs, targets, mode: model.backbone(inputs)[
        'a'
    ].mean(dim=(2, 3))
    model.backbone = Several()
    model.extra = nn.Linear(1, 1)
    with pytest.raises(ConfigError, match='Several has several'):
        heat_of_pair(model, two_images(), dict(modality=torch.tensor([1, 0])))


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

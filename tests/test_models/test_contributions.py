"""What places add to a similarity: closed forms, finite differences."""

import pytest
import torch

import mmgl
from mmgl.models.contributions import contributions
from mmgl.models.reid_model import ReIDModel

# The others have the neck of one of these.
METHODS = ['agw', 'ddag', 'mutual-info', 'mpanet']
MODALITY = dict(modality=torch.tensor([0, 1]))


def lively(model):
    """Give batch norms statistics and weights as after a training."""
    for name, value in model.state_dict().items():
        if name.endswith('running_mean'):
            value.normal_(0, 0.1)
        elif name.endswith('running_var'):
            value.uniform_(0.5, 2)
    for name, value in model.neck.named_parameters():
        if name.startswith('bn.'):
            value.data.uniform_(0.5, 1.5)
    return model.eval().requires_grad_(False)


def small_model(pool, flip_test=False):
    torch.manual_seed(0)
    return lively(
        ReIDModel(
            backbone=dict(type='TwoStreamResNet', depth=18, base_channels=4),
            neck=dict(type='GlobalFeatureNeck', pool=pool),
            flip_test=flip_test,
        )
    )


def test_average_pooling_by_hand():
    """A place adds its own share of the sum that the cosine is."""
    model = small_model(dict(type='AvgPooling'))
    inputs = torch.randn(2, 3, 64, 32)
    similarity, places = contributions(model, inputs, MODALITY)
    maps = model.backbone(inputs, MODALITY['modality'])
    f, g = model.neck(maps)['bn']
    bn = model.neck.bn
    factor = bn.weight / (bn.running_var + bn.eps).sqrt()
    want = torch.zeros(maps.shape[2:])
    for i in range(maps.shape[2]):
        for j in range(maps.shape[3]):
            own = factor * maps[0, :, i, j] / want.numel()
            want[i, j] = own @ g / (f.norm() * g.norm())
    torch.testing.assert_close(places[0], want)
    assert want.abs().max() > 1e-3
    cosine = torch.cosine_similarity(f, g, dim=0)
    torch.testing.assert_close(similarity, cosine)


@pytest.mark.parametrize('flip_test', [False, True])
def test_places_sum_up_to_the_cosine(flip_test):
    """But for the constant of the BNNeck, which no place adds."""
    model = small_model(dict(type='GeMPooling', p=3), flip_test)
    bn = model.neck.bn
    # No shift: (x - mean) * factor + bias is proportional to x.
    bn.running_mean.zero_()
    bn.bias.zero_()
    inputs = torch.randn(2, 3, 64, 32)
    similarity, places = contributions(model, inputs, MODALITY)
    total = places.sum((1, 2))
    torch.testing.assert_close(
        total, similarity.expand(2), atol=1e-4, rtol=1e-4
    )
    a, b = model.embed(inputs, MODALITY)
    torch.testing.assert_close(similarity, a @ b)


def test_a_mirrored_image_has_mirrored_places():
    model = small_model(dict(type='AvgPooling'), flip_test=True)
    inputs = torch.randn(2, 3, 64, 32)
    _, places = contributions(model, inputs, MODALITY)
    _, mirrored = contributions(model, inputs.flip(3), MODALITY)
    torch.testing.assert_close(mirrored.flip(2), places)


@pytest.mark.parametrize('method', METHODS)
def test_every_method_by_finite_differences(method):
    """Of a network that grows stronger at one place."""
    torch.manual_seed(0)
    model = mmgl.build_model(f'finetune/{method}_r18-narrow_synthetic')
    lively(model).double()
    model.flip_test = False
    inputs = torch.randn(2, 3, 96, 48, dtype=torch.float64)
    similarity, places = contributions(model, inputs, MODALITY)
    maps = model.backbone(inputs, MODALITY['modality'])

    def feature(factor, i, j):
        changed = {'': maps} if torch.is_tensor(maps) else dict(maps)
        for name, one in changed.items():
            changed[name] = one.clone()
            changed[name][0, :, i, j] *= factor
        return model.neck(changed.get('', changed))[model.test_feature]

    f, g = feature(1, 0, 0)
    scale = g / (f.norm() * g.norm())
    torch.testing.assert_close(similarity.double(), f @ scale)
    step = 1e-4
    for i, j in ((0, 0), (2, 1), (5, 2)):
        change = feature(1 + step, i, j)[0] - feature(1 - step, i, j)[0]
        want = change @ scale / (2 * step)
        # Pooling is fp32 in some necks.
        torch.testing.assert_close(
            places[0, i, j].double(), want, atol=1e-5, rtol=1e-2
        )
    assert torch.isfinite(places).all() and places.abs().max() > 1e-4

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from pretext import BACKBONE, reorder, whole_batch

from mmgl.models import ReIDModel
from mmgl.models.functional.colour import rgb_to_lab

HEAD = dict(type='ColorizationHead', hidden_channels=16)


def build(**keys):
    return ReIDModel(
        BACKBONE,
        dict(type='MapNeck'),
        dict(colour=HEAD),
        test_feature='pool',
        data_preprocessor=dict(type='LightnessPreprocessor', **keys),
    )


def moved_by_two_steps(model):
    before = {k: v.clone() for k, v in model.named_parameters()}
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    for _ in range(2):
        logs = model.train_step(whole_batch(), optimizer)
    terms = {'loss', 'colour/loss', 'colour/top1'}
    if model.data_preprocessor.infrared != 'ignore':
        terms.add('modality_gap')
    assert set(logs) == terms
    return {
        name
        for name, value in model.named_parameters()
        if not torch.equal(before[name], value)
    }


def test_every_parameter_is_trained():
    model = build()
    assert moved_by_two_steps(model) == {
        n for n, _ in model.named_parameters()
    }


def test_infrared_images_can_be_left_out():
    model = build(infrared='ignore')
    stem = {
        n
        for n, _ in model.named_parameters()
        if n.startswith('backbone.infrared_stem.')
    }
    still = {n for n, _ in model.named_parameters()}
    assert stem and still - moved_by_two_steps(model) == stem
    # The loss is that of the visible images alone.
    batch = whole_batch()
    visible = reorder(batch, [0, 2, 4])
    first, second = (
        copy.deepcopy(model)(**model.data_preprocessor(b, True), mode='loss')[
            'colour/loss'
        ]
        for b in (batch, visible)
    )
    assert torch.allclose(first, second, atol=1e-5)
    with pytest.raises(ValueError, match='without visible'):
        data = model.data_preprocessor(reorder(batch, [1, 3]), True)
        model(**data, mode='loss')


def test_lightness_goes_in_and_colours_are_the_target():
    model, batch = build(), whole_batch()
    data = model.data_preprocessor(batch, True)
    grey, ab = data['inputs'], data['targets']['ab']
    # The images as they were loaded, BGR.
    rgb = torch.stack(batch['inputs']).flip(1) / 255
    lab = rgb_to_lab(rgb)
    assert torch.allclose(ab, lab[:, 1:], atol=0.05)
    levels = grey * model.data_preprocessor.std + model.data_preprocessor.mean
    assert torch.allclose(
        levels, 2.55 * lab[:, :1].expand_as(levels), atol=0.02
    )
    # Infrared images are grey.
    assert ab[1::2].abs().max() < 0.01 < ab[::2].abs().max()


def test_the_network_does_not_see_the_colours():
    model, batch = build().eval(), whole_batch()
    data = model.data_preprocessor(batch)
    levels = (
        data['inputs'] * model.data_preprocessor.std
        + model.data_preprocessor.mean
    )
    # As grey as an infrared image; all channels of the same level.
    assert (levels - levels[:, :1]).abs().max() < 1e-3


def test_order_of_the_batch_does_not_matter():
    model, batch = build(), whole_batch()
    first, second = (
        copy.deepcopy(model)(**model.data_preprocessor(b, True), mode='loss')
        for b in (batch, reorder(batch, [3, 0, 5, 4, 1, 2]))
    )
    for key, value in first.items():
        assert torch.allclose(value, second[key], atol=1e-4), key


def test_it_learns_the_colours_of_a_batch():
    """Two seconds: 30 steps on plain images, bright red and dark blue."""
    torch.manual_seed(0)
    batch = whole_batch(pairs=4, height=32, width=32)
    for i in range(0, 8, 2):
        batch['inputs'][i][:] = 0
        batch['inputs'][i][2 if i % 4 else 0] = 250 if i % 4 else 100
    # Without infrared images: grey, which occurs in no visible one here,
    # would weigh as much as the rarest colour.
    model = build(infrared='ignore')
    optimizer = OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-2))
    logs = [model.train_step(batch, optimizer) for _ in range(30)]
    assert logs[-1]['loss'] < 0.8 * logs[0]['loss']
    assert logs[-1]['colour/top1'] > 0.9


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match='infrared'):
        build(infrared='drop')
    with pytest.raises(ValueError, match='to_rgb'):
        build(to_rgb=False)

import copy
import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from pretext import BACKBONE, reorder, tile_batch, whole_batch

from mmgl.models import ReIDModel
from mmgl.models.data_preprocessors import (
    ReIDDataPreprocessor,
    TilePreprocessor,
)
from mmgl.models.data_preprocessors.tile_preprocessor import standardise_tiles

HEAD = dict(
    type='JigsawHead', num_tiles=9, num_permutations=100, hidden_channels=16
)


def build(backbone='TwoStreamResNet', **keys):
    return ReIDModel(
        dict(BACKBONE, type=backbone),
        dict(type='MapNeck'),
        dict(jigsaw=HEAD),
        test_feature='pool',
        data_preprocessor=dict(type='TilePreprocessor', **keys),
    )


def losses_of(model, batch):
    # A copy: a forward in training moves the statistics of batch norms.
    model = copy.deepcopy(model)
    return model(**model.data_preprocessor(batch, True), mode='loss')


def test_every_parameter_is_trained():
    model = build()
    before = {k: v.clone() for k, v in model.named_parameters()}
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    for _ in range(2):
        logs = model.train_step(tile_batch(), optimizer)
    assert set(logs) == {'loss', 'jigsaw/loss', 'jigsaw/top1', 'modality_gap'}
    for name, value in model.named_parameters():
        assert not torch.equal(before[name], value), name


def test_loss_starts_at_chance():
    loss = losses_of(build(), tile_batch(pairs=8))['jigsaw/loss']
    assert loss.item() == pytest.approx(math.log(100), abs=0.1)


@pytest.mark.parametrize('backbone', ['OneStreamResNet', 'TwoStreamResNet'])
def test_order_of_the_batch_does_not_matter(backbone):
    model, batch = build(backbone), tile_batch()
    first = losses_of(model, batch)
    second = losses_of(model, reorder(batch, [3, 0, 5, 4, 1, 2]))
    for key, value in first.items():
        assert torch.allclose(value, second[key], atol=1e-5), key


def test_order_of_the_rows_does_not_matter_but_that_of_tiles_does():
    model, batch = build(), tile_batch()
    data = model.data_preprocessor(batch, True)
    order = torch.randperm(len(data['inputs']))
    mixed = dict(
        inputs=data['inputs'][order],
        targets={k: v[order] for k, v in data['targets'].items()},
    )
    swapped = dict(
        data, targets=dict(data['targets'], view=8 - data['targets']['view'])
    )
    first, same, other = (
        copy.deepcopy(model)(**d, mode='loss')['jigsaw/loss']
        for d in (data, mixed, swapped)
    )
    assert torch.allclose(first, same, atol=1e-5)
    assert not torch.allclose(first, other, atol=1e-5)


def test_brightness_and_contrast_of_a_tile_are_removed():
    tiles = torch.randn(4, 3, 26, 13)
    scale = torch.rand(4, 3, 1, 1) + 0.5
    got = standardise_tiles(tiles * scale + torch.randn(4, 3, 1, 1))
    assert torch.allclose(got, standardise_tiles(tiles), atol=1e-3)
    assert got.mean((2, 3)).abs().max() < 1e-5
    assert torch.allclose(
        got.std((2, 3), unbiased=False), torch.ones(4, 3), atol=1e-3
    )
    # Black borders stay flat.
    assert (standardise_tiles(torch.full((1, 3, 5, 5), -2.0)) == 0).all()
    images = [torch.randint(0, 256, (3, 26, 13), dtype=torch.uint8)] * 2
    plain = TilePreprocessor(standardise=False).normalise(images)
    assert torch.equal(plain, ReIDDataPreprocessor().normalise(images))
    brighter = tile_batch()
    darker = dict(brighter, inputs=[x // 2 for x in brighter['inputs']])
    for standardise, same in ((True, True), (False, False)):
        model = build(standardise=standardise)
        first, second = (
            losses_of(model, b)['jigsaw/loss'] for b in (brighter, darker)
        )
        assert torch.allclose(first, second, atol=2e-3) == same


def test_whole_images_are_refused_in_training_and_have_features():
    model = build()
    with pytest.raises(ValueError, match='JigsawTiles'):
        losses_of(model, whole_batch())
    model.eval()
    data = model.data_preprocessor(whole_batch())
    samples = model(**data, mode='predict')
    assert samples[0].feature.norm().item() == pytest.approx(1, abs=1e-5)
    assert model(**data).shape == (6, 32)
    with pytest.raises(ValueError, match='mode'):
        model(**data, mode='train')


def test_another_puzzle_is_refused():
    with pytest.raises(ValueError, match='num_tiles=9'):
        losses_of(build(), tile_batch(4))

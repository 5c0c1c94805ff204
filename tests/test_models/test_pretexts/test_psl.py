import copy
import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from pretext import BACKBONE, PUZZLES, reorder, tile_batch

from mmgl.models import StagewiseModel

LAYERS = (('layer1', 'layer2'), ('layer3',), ('layer4',))
STAGES = [
    dict(
        layers=layers,
        head=dict(
            type='JigsawHead',
            num_tiles=tiles,
            num_permutations=PUZZLES[tiles][1],
            hidden_channels=16,
        ),
    )
    for layers, tiles in zip(LAYERS, PUZZLES, strict=True)
]


def build(backbone=BACKBONE, **keys):
    return StagewiseModel(
        backbone,
        STAGES,
        data_preprocessor=dict(type='TilePreprocessor'),
        **keys,
    )


def stage_of_parameter(name):
    """0 to 2 for the parts of a stage."""
    if name.startswith('heads.'):
        return int(name.split('.')[1].removeprefix('stage')) - 1
    parts = name.split('.')
    layer = next((p for p in parts if p.startswith('layer')), 'layer1')
    return dict(layer3=1, layer4=2).get(layer[:6], 0)


def moved_by_a_step(model, tiles):
    """Names of the tensors that one step with weight decay changes."""
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer = OptimWrapper(
        torch.optim.SGD(
            model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1
        )
    )
    for _ in range(2):
        logs = model.train_step(tile_batch(tiles), optimizer)
    assert set(logs) == {
        'loss',
        'jigsaw/loss',
        'jigsaw/top1',
        'modality_gap',
        'stage',
    }
    return {
        name
        for name, value in model.state_dict().items()
        if not torch.equal(before[name], value)
    }


@pytest.mark.parametrize('stage, tiles', list(enumerate(PUZZLES)))
def test_later_stages_are_not_changed(stage, tiles):
    model = build()
    moved = moved_by_a_step(model, tiles)
    names = set(model.state_dict())
    # Heads only of this stage, layers of this one and those before.
    assert moved == {
        name
        for name in names
        if stage_of_parameter(name) == stage
        or stage_of_parameter(name) < stage
        and name.startswith('backbone.')
    }


@pytest.mark.parametrize('stage, tiles', [(1, 6), (2, 9)])
def test_frozen_stages_are_not_changed(stage, tiles):
    backbone = dict(BACKBONE, non_local='agw')
    model = build(backbone, freeze_prev=True)
    model.train()
    assert moved_by_a_step(model, tiles) == {
        name
        for name in model.state_dict()
        if stage_of_parameter(name) == stage
        and (
            not name.startswith('backbone.non_local.layer')
            or name.split('.')[2].startswith(LAYERS[stage][0])
        )
    }
    # The next epoch may be of any stage.
    model.train()
    assert all(m.training for m in model.modules())


def test_stopped_gradient_moves_statistics_only():
    model = build(prev_gradient=0.0)
    moved = moved_by_a_step(model, 9)
    earlier = {name for name in moved if stage_of_parameter(name) < 2}
    assert earlier and not earlier & {n for n, _ in model.named_parameters()}
    assert all('running' in n or 'num_batches' in n for n in earlier)


def test_gradient_of_earlier_stages_is_scaled():
    model, gradients = build(), {}
    data = model.data_preprocessor(tile_batch(9), True)
    for factor in (1.0, 0.1):
        copied = copy.deepcopy(model)
        copied.prev_gradient = factor
        copied(**data, mode='loss')['jigsaw/loss'].backward()
        gradients[factor] = {
            n: p.grad
            for n, p in copied.named_parameters()
            if p.grad is not None
        }
    for name, full in gradients[1.0].items():
        stage = stage_of_parameter(name)
        scale = 1.0 if name.startswith('heads.') else 0.1 ** (2 - stage)
        assert torch.allclose(
            gradients[0.1][name], scale * full, rtol=1e-3, atol=1e-7
        ), name


def test_taps_have_the_shapes_of_the_stages():
    model = build(dict(BACKBONE, depth=50, base_channels=64)).eval()
    images, modality = torch.randn(2, 3, 80, 40), torch.tensor([0, 1])
    with torch.no_grad():
        taps = [model.forward_stage(images, modality, n) for n in range(3)]
        assert torch.equal(taps[2], model.backbone(images, modality))
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (512, 10, 5),
        (1024, 5, 3),
        (2048, 5, 3),
    ]


@pytest.mark.parametrize('tiles, chance', [(4, 24), (6, 100), (9, 100)])
def test_losses_start_at_chance(tiles, chance):
    model = build()
    data = model.data_preprocessor(tile_batch(tiles, pairs=8), True)
    out = model(**data, mode='loss')
    assert out['jigsaw/loss'].item() == pytest.approx(
        math.log(chance), abs=0.1
    )
    assert out['stage'].item() == list(PUZZLES).index(tiles) + 1


def test_order_of_the_batch_does_not_matter():
    model, batch = build(), tile_batch(6)
    first, second = (
        copy.deepcopy(model)(**model.data_preprocessor(b, True), mode='loss')[
            'jigsaw/loss'
        ]
        for b in (batch, reorder(batch, [3, 0, 5, 4, 1, 2]))
    )
    assert torch.allclose(first, second, atol=1e-5)


def test_wrong_settings_are_refused():
    for stages, words in (
        (STAGES[:2], 'in order'),
        (STAGES[::-1], 'in order'),
        ([dict(STAGES[0], layers=('layer1', 'layer2'))] * 2, 'in order'),
        (
            [STAGES[0], STAGES[1], dict(STAGES[2], head=STAGES[1]['head'])],
            'must differ',
        ),
    ):
        with pytest.raises(ValueError, match=words):
            StagewiseModel(BACKBONE, stages)
    with pytest.raises(ValueError, match='prev_gradient'):
        build(prev_gradient=2.0)
    with pytest.raises(ValueError, match='JigsawTiles.grid'):
        build().stage_of(8)

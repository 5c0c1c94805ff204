"""Two small batches against the large one.

They agree where every image has a loss of its own. A loss between images
(PCC, WRT) sees the pairs of its batch only, and batch norm its statistics.
"""

import pytest
import torch
from mmengine.optim import build_optim_wrapper

from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope

BACKBONE = dict(
    type='TwoStreamResNet', depth=18, base_channels=4, norm_eval=True
)


def build(heads):
    torch.manual_seed(0)
    with registry_scope():
        model = MODELS.build(
            dict(
                type='ReIDModel',
                backbone=BACKBONE,
                neck=dict(
                    type='GlobalFeatureNeck', pool=dict(type='GeMPooling', p=3)
                ),
                heads=heads,
            )
        ).train()
    model.neck.bn.eval()
    return model


def update(heads, counts):
    """Weights after one optimizer step on 8 images in so many batches."""
    model = build(heads)
    images = torch.rand(
        8, 3, 64, 32, generator=torch.Generator().manual_seed(1)
    )
    number = torch.arange(8)
    pid, modality = number // 4, number % 2
    optim = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            accumulative_counts=counts,
            optimizer=dict(type='SGD', lr=0.1),
        ),
    )
    optim.initialize_count_status(model, 0, counts)
    for part in number.chunk(counts):
        with optim.optim_context(model):
            losses = model(
                images[part],
                dict(pid=pid[part], modality=modality[part]),
                mode='loss',
            )
            loss = model.parse_losses(losses)[0]
        optim.update_params(loss)
    return model.state_dict()


def difference(heads):
    """Largest difference of the updates, and size of the update."""
    start, whole, parts = (
        build(heads).state_dict(),
        update(heads, 1),
        update(heads, 2),
    )
    moved = max(
        (whole[k] - start[k]).abs().max()
        for k in start
        if start[k].is_floating_point()
    )
    apart = max(
        (whole[k] - parts[k]).abs().max()
        for k in start
        if start[k].is_floating_point()
    )
    return float(apart), float(moved)


def test_identity_loss_accumulates():
    apart, moved = difference(
        dict(id=dict(type='ClassifierHead', num_classes=2))
    )
    assert moved > 1e-3 and apart < 1e-5 * moved + 1e-7


@pytest.mark.parametrize(
    'loss', ['WeightedRegularizedTripletLoss', 'BatchHardTripletLoss']
)
def test_loss_between_images_does_not(loss):
    apart, moved = difference(
        dict(
            triplet=dict(
                type='MetricHead', feature='pool', loss=dict(type=loss)
            )
        )
    )
    assert moved > 1e-4 and apart > 1e-2 * moved

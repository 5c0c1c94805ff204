"""Two and four processes on parts of a batch against one on the whole.

Pre-training and AGW on small networks; every other method from its config is
in test_distributed_methods.py and test_distributed_rivals.py.
"""

import pytest
import torch
from distributed_parts import (
    check_same_step,
    mean_step,
    step_on_ranks,
    without_chance,
)

from mmgl.registry import MODELS
from mmgl.structures import ReIDDataSample

BACKBONE = dict(
    type='TwoStreamResNet', depth=18, base_channels=4, norm_eval=True)
PRETRAIN = dict(
    type='MMGLPretrainer',
    backbone=BACKBONE,
    permutation_head=dict(
        type='PermutationHead',
        num_stripes=6,
        loss=dict(type='PermutationReconstructionLoss')),
    part_head=dict(
        type='PartHead',
        num_stripes=6,
        out_channels=16,
        contrast=dict(type='PartCycleContrastiveLoss')))
FINETUNE = dict(
    type='ReIDModel',
    backbone=BACKBONE,
    neck=dict(type='GlobalFeatureNeck', pool=dict(type='GeMPooling', p=3)),
    heads=dict(
        id=dict(type='ClassifierHead', num_classes=4),
        triplet=dict(
            type='MetricHead',
            feature='pool',
            loss=dict(type='WeightedRegularizedTripletLoss'))))
MODELS_UNDER_TEST = dict(pretrain=PRETRAIN, finetune=FINETUNE)


def global_batch():
    generator = torch.Generator().manual_seed(0)
    shape = (16, 3, 96, 48)
    images = torch.randint(
        0, 256, shape, generator=generator, dtype=torch.uint8)
    samples = []
    for i in range(16):
        order = torch.Generator().manual_seed(i // 2)
        samples.append(
            ReIDDataSample(
                metainfo=dict(img_path='', pair_key=i // 2),
                modality=i % 2,
                pid=i // 4,
                camid=1 + i % 2,
                index=1,
                permutation=torch.randperm(6, generator=order)))
    return images, samples


def step(rank, world, name):
    """A step on this rank's share of the batch."""
    torch.manual_seed(0)
    model = without_chance(MODELS.build(MODELS_UNDER_TEST[name]).train())
    images, samples = global_batch()
    size = len(images) // world
    share = slice(rank * size, (rank + 1) * size)
    data = model.data_preprocessor(
        dict(inputs=images[share], data_samples=samples[share]), True)
    torch.manual_seed(1)
    return mean_step(model, data, world)


@pytest.mark.parametrize('world', [2, 4])
@pytest.mark.parametrize('name', list(MODELS_UNDER_TEST))
def test_same_loss_and_gradient_as_one_process(name, world, tmp_path):
    check_same_step(
        step(0, 1, name), step_on_ranks(tmp_path, world, step, name))

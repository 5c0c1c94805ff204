"""MMGL and AGW on small networks, and a batch that suits both."""

import torch

from mmgl.structures import ReIDDataSample

BACKBONE = dict(
    type='TwoStreamResNet', depth=18, base_channels=4, norm_eval=True
)
PRETRAIN = dict(
    type='ReIDModel',
    backbone=BACKBONE,
    neck=dict(type='MapNeck'),
    heads=dict(
        permutation=dict(
            type='PermutationHead',
            num_stripes=6,
            loss=dict(type='PermutationReconstructionLoss'),
        ),
        part=dict(
            type='PartHead',
            num_stripes=6,
            out_channels=16,
            contrast=dict(type='PartCycleContrastiveLoss'),
        ),
    ),
    test_feature='pool',
)
FINETUNE = dict(
    type='ReIDModel',
    backbone=BACKBONE,
    neck=dict(type='GlobalFeatureNeck', pool=dict(type='GeMPooling', p=3)),
    heads=dict(
        id=dict(type='ClassifierHead', num_classes=4),
        triplet=dict(
            type='MetricHead',
            feature='pool',
            loss=dict(type='WeightedRegularizedTripletLoss'),
        ),
    ),
)
MODELS_UNDER_TEST = dict(pretrain=PRETRAIN, finetune=FINETUNE)


def global_batch():
    generator = torch.Generator().manual_seed(0)
    shape = (16, 3, 96, 48)
    images = torch.randint(
        0, 256, shape, generator=generator, dtype=torch.uint8
    )
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
                permutation=torch.randperm(6, generator=order),
            )
        )
    return images, samples


def num_parameters(module):
    return sum(p.numel() for p in module.parameters())

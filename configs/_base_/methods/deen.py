# DEEN (Zhang and Wang, CVPR 2023): the first three stages attend to what they
# were made of, and two learnt branches make more embeddings of each image. The
# leaf config adds the two-stream backbone, the identities and the steps of the
# pipeline that depend on the image size.
aggregation = dict(type='MultistageAggregation', published=True)
# PIL's weights, in the order of the image, BGR.
grayscale = dict(
    type='RandomGrayscale',
    prob=0.5,
    keep_channels=True,
    channel_weights=(0.114, 0.587, 0.299))
# As published: ImageNet's mean, in the normalised image.
erase_large = dict(
    type='ChannelRandomErasing',
    prob=0.5,
    area_range=(0.2, 0.8),
    fill=(0.485, 0.456, 0.406))
# On RegDB and LLCM.
erase_small = dict(erase_large, area_range=(0.02, 0.4))
model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    backbone=dict(
        plugins=dict(
            layer1=aggregation,
            layer2=aggregation,
            layer3=dict(aggregation, expansions=2))),
    neck=dict(type='DiverseEmbeddingNeck', branches=3),
    heads=dict(
        # One cross-entropy of the rows of all branches.
        id=dict(
            type='ClassifierHead',
            feature={'bn_0': 1 / 3, 'bn_1': 1 / 3, 'bn_2': 1 / 3}),
        embedding=dict(
            type='MetricHead',
            feature='branches',
            # lambda_1 and lambda_2 of the public code.
            loss=dict(
                type='DiverseEmbeddingLoss',
                margin=0.3,
                pair_margin=0.2,
                pair_weight=0.8,
                orthogonal_weight=0.01))),
    test_feature='concat',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))
# RegDB: no layer4, and the branches behind layer2.
short_backbone = dict(
    num_stages=3,
    plugins=dict(
        layer1=aggregation,
        layer2=dict(aggregation, expansions=2),
        layer3=None))

# One-Stream baseline: average pooling, BNNeck, identity and batch-hard
# triplet losses. The leaf config adds the backbone and the identities.
model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    neck=dict(type='GlobalFeatureNeck', pool=dict(type='AvgPooling')),
    heads=dict(
        id=dict(type='ClassifierHead', feature='bn'),
        triplet=dict(
            type='MetricHead',
            feature='pool',
            loss=dict(type='BatchHardTripletLoss', margin=0.3))),
    test_feature='bn',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))

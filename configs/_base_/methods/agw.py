# AGW (Ye et al., TPAMI 2021): GeM, BNNeck, identity and WRT losses. The leaf
# config adds the backbone and the number of identities.
model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    neck=dict(
        type='GlobalFeatureNeck', pool=dict(type='GeMPooling', p=3)),
    heads=dict(
        id=dict(type='ClassifierHead', feature='bn'),
        triplet=dict(
            type='MetricHead',
            feature='pool',
            # Large distances overflow, as published; agw-exact does not.
            loss=dict(
                type='WeightedRegularizedTripletLoss', published=True))),
    # Retrieval by the feature behind the BNNeck.
    test_feature='bn',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))

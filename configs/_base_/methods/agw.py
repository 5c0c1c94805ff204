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
            # Large distances overflow, as published.
            loss=dict(
                type='WeightedRegularizedTripletLoss', published=True))),
    # Retrieval by the feature behind the BNNeck.
    test_feature='bn',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))
# Of agw-exact and caj-exact: weights that sum to 1 at any distance, and a
# loss that does not overflow.
exact = dict(
    heads=dict(
        triplet=dict(
            loss=dict(
                _delete_=True, type='WeightedRegularizedTripletLoss'))))

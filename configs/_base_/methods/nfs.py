# In the manner of NFS (Chen et al., CVPR 2021), whose code is not public: our
# design, see docs/methods/nfs.md. The leaf config adds the backbone, the
# number of identities, the pipeline and the hook that leads the search.
search_cell = dict(
    type='FeatureSearchCell',
    # For ablations: 'none', 'channel' or 'spatial'.
    search_level='both',
    # Shares to keep, and weight of the loss that asks for them; with 0.1 the
    # other losses open all gates.
    channel_target=0.9,
    spatial_target=0.8,
    loss_weight=10.0)

model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    # A cell behind every shared stage.
    backbone=dict(
        plugins=dict(
            layer1=search_cell,
            layer2=search_cell,
            layer3=search_cell,
            layer4=search_cell)),
    neck=dict(
        type='GlobalFeatureNeck', pool=dict(type='GeMPooling', p=3)),
    heads=dict(
        id=dict(
            type='ClassifierHead',
            feature='bn',
            loss=dict(type='IdentityCrossEntropyLoss', label_smoothing=0.1)),
        triplet=dict(
            type='MetricHead',
            feature='pool',
            loss=dict(type='BatchHardTripletLoss', margin=0.3)),
        # mode='infonce' is the alternative.
        contrast=dict(
            type='MetricHead',
            feature='bn',
            loss=dict(type='CrossModalityContrastiveLoss'),
            loss_weight=0.5)),
    test_feature='bn',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))

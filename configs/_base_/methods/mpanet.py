# MPANet (Wu et al., CVPR 2021): modality alleviation behind two stages, six
# learnt masks, and modality classifiers that teach each other. The leaf
# config adds the one-stream backbone, the identities (twice) and
# method_hooks.
alleviation = dict(type='ModalityAlleviation', reduction=16)

model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    # layer3=None or layer4=None leaves one out.
    backbone=dict(plugins=dict(layer3=alleviation, layer4=alleviation)),
    neck=dict(type='PatternAlignmentNeck', num_parts=6),
    heads=dict(
        # Default initialisation, as those of the modalities.
        id=dict(type='ClassifierHead', feature='bn', init_std=None),
        center=dict(
            type='MetricHead',
            feature='pool',
            loss=dict(type='CenterClusterLoss', margin=0.7)),
        separation=dict(
            type='MetricHead',
            feature='masks',
            # A sum over positions, as published.
            loss=dict(type='PatternSeparationLoss', normalize=False),
            loss_weight=0.5),
        modality=dict(
            type='ModalityClassifierHead',
            feature='bn',
            # As published: 0.5, but added twice.
            id_weight=1.0,
            kl_weight=2.5,
            kl_direction='student_first')),
    # Six parts and the global feature behind the BNNeck.
    test_feature='bn',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))
# Takes over 0.2 of the classifiers a step; less from epoch 100 on.
method_hooks = [dict(type='ClassifierEmaHook', head='heads.modality')]

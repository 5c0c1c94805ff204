# MutualInfo (Tian et al., CVPR 2021, "Farewell to Mutual Information"): three
# networks with channel attention, their four branches, and distillation. The
# leaf config adds the network and the number of identities.
attention = dict(type='ChannelAttention')

model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    backbone=dict(
        type='MutualNetworks',
        network=dict(
            plugins=dict(
                layer1=attention, layer2=attention, layer3=attention))),
    neck=dict(
        type='MutualBottleneckNeck',
        hidden_channels=(1000, 500),
        representation_channels=512),
    heads=dict(
        distillation=dict(
            type='VariationalDistillationHead',
            # What the public code computes.
            kl_mode='released',
            cml='released'),
        ranking=dict(
            type='MetricHead',
            feature=dict(
                obs_infrared=0.5,
                rep_infrared=0.5,
                obs_visible=0.5,
                rep_visible=0.5,
                obs_shared_gray=0.25,
                rep_shared_gray=0.25,
                obs_shared=0.25,
                rep_shared=0.25),
            loss=dict(
                type='RankedListLoss', alpha=(2.2, 2.0), margin=(0.9, 1.0)))),
    # The observations of all branches, whatever the modality of the image.
    test_feature='concat',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))
# Of mutual-info-paper: the divergences of the paper, a converged transport,
# and distillation that waits until the observations have something to say.
paper = dict(heads=dict(distillation=dict(kl_mode='paper', cml='sinkhorn')))
paper_hooks = [dict(type='LossRampHook', loss='heads.distillation', end=10)]

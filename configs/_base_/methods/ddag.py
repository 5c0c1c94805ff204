# DDAG (Ye et al., ECCV 2020): attentive parts and, in training, a graph of the
# images of an identity. The leaf config adds the two-stream backbone, the
# number of identities (twice) and method_hooks.
model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    # scale: the public code has none; '1/sqrt(d)' softens the attention.
    neck=dict(type='PartAttentionNeck', num_parts=3, scale=1.0),
    heads=dict(
        # One classifier for the global and the attentive feature.
        id=dict(type='ClassifierHead', feature=dict(bn=1.0, part=1.0)),
        triplet=dict(
            type='MetricHead',
            feature='pool',
            loss=dict(type='BatchHardTripletLoss', margin=0.3)),
        graph=dict(
            type='GraphAttentionHead',
            feature='pool',
            num_heads=4,
            dropout=0.2)),
    # FC_att of the paper; 'bn' is its FC.
    test_feature='part',
    init_from=dict(kind='imagenet', checkpoint='torchvision://resnet50'))
# lambda_e = 1 / (1 + mean of the other losses in epoch e - 1), lambda_0 = 0.
method_hooks = [dict(type='DynamicLossWeightHook', head='graph')]

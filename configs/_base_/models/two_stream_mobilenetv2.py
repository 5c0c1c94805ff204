# MobileNetV2 with a first convolution for each modality, and 16 pixels a row
# as in the ResNets.
backbone = dict(
    type='AnyBackbone',
    network=dict(type='mmpretrain.MobileNetV2'),
    stem=['conv1'],
    stride_one=['layer6'])
# For fine-tuning: AGW's rate of 0.1 makes the features collapse.
adam = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=3.5e-4, weight_decay=5e-4))

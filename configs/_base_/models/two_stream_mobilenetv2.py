# MobileNetV2 with a first convolution for each modality, and 16 pixels a row
# as in the ResNets.
backbone = dict(
    type='AnyBackbone',
    network=dict(type='mmpretrain.MobileNetV2'),
    stem=['conv1'],
    stride_one=['layer6'])

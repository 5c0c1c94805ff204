# DeiT-tiny with patch embeddings for each modality: 16 pixels a row of tokens
# as in the ResNets, its position embedding resized to them.
backbone = dict(
    type='AnyBackbone',
    network=dict(
        type='mmpretrain.VisionTransformer',
        arch='deit-tiny',
        patch_size=16,
        out_type='featmap'),
    stem=['patch_embed.projection'])
# AdamW as transformers want it, instead of SGD.
adamw = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3.5e-4, weight_decay=0.05))

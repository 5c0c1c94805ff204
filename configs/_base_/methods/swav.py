# SwAV with crops of two sizes (Caron et al., NeurIPS 2020).
_base_ = './contrastive.py'

# The leaf config puts global_crop before view and local_crop before the
# views of the local crops, as many as in num_crops.
view_small = [_base_.mild_jitter, _base_.gray, _base_.mirror]
view = [_base_.strong_jitter, _base_.gray, _base_.blur, _base_.mirror]
model = dict(
    type='mmpretrain.SwAV',
    neck=dict(
        type='mmpretrain.SwAVNeck',
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        norm_cfg=dict(type='BN1d')),
    head=dict(
        type='mmpretrain.SwAVHead',
        loss=dict(
            type='mmgl.GlobalSwAVLoss',
            feat_dim=128,
            epsilon=0.05,
            temperature=0.1,
            # 3000 for a million images of a thousand classes.
            num_prototypes=300,
            num_crops=[2, 6])))
# The queue is kept in queue.pth in the work dir. batch_size is that of the
# loader, on one GPU, and queue_length is shared out among the GPUs: it holds
# no batch of more than 20. Prototypes rest for an epoch of SYSU-MM01.
swav_hook = dict(
    type='mmgl.SwAVQueueHook',
    priority='VERY_HIGH',
    batch_size=96,
    feat_dim=128,
    queue_length=1920,
    epoch_queue_starts=15,
    frozen_layers_cfg=dict(prototypes=423))
method_hooks = _base_.method_hooks + [swav_hook]
# For 10 epochs of the embedded data set in batches of 64.
method_hooks_small = _base_.method_hooks + [
    dict(
        swav_hook,
        batch_size=64,
        queue_length=960,
        epoch_queue_starts=3,
        frozen_layers_cfg=dict(prototypes=11)),
]
# Frozen prototypes get no gradient.
find_unused_parameters = True

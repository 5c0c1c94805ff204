# Barlow Twins: the learning rate of 1.6 for 2048 images, scaled to 96, with
# SGD in place of LARS. Its loss is a sum over all pairs of dimensions, whose
# gradient LARS levelled; here it is clipped.
norm_and_bias = dict(decay_mult=0, lr_mult=0.024)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.075, momentum=0.9, weight_decay=1e-6),
    clip_grad=dict(max_norm=10),
    paramwise_cfg=dict(
        custom_keys={
            'bn': norm_and_bias,
            'bias': norm_and_bias,
            'downsample.1': norm_and_bias,
        }))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1.6e-4,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        T_max=90,
        eta_min=7.5e-5,
        begin=10,
        end=100,
        by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=96)

# Jigsaw: the recipe of VISSL's ResNet-50 (0.1 for 256 images, 105 epochs,
# drops at 30, 60, 90 and 100, batch norm without weight decay), scaled to 96
# images and 100 epochs.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.0375, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.25,
        begin=0,
        end=5,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='MultiStepLR',
        milestones=[29, 57, 86, 95],
        gamma=0.1,
        by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=96)

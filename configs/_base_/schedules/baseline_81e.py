# The recipe shared by AGW and its baselines: SGD with Nesterov momentum,
# learning rate 0.1 (a tenth of it for the backbone), constant within an
# epoch: ten epochs of warm-up, drops at 20 and 50, 81 epochs.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=10, by_epoch=True),
    dict(type='MultiStepLR', milestones=[20, 50], gamma=0.1, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=81)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=64)

# Colorization: the published solver (Adam, 3e-5 for 40 images, drops at 45
# and 90 % of 500,000 steps), scaled to 96 images.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='Adam', lr=7.2e-5, betas=(0.9, 0.99), weight_decay=1e-3))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[45, 90], gamma=0.1, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=96)

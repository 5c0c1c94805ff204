# Adam with one rate for everything. Epochs go over the identities and are
# short: 24 iterations on SYSU-MM01, 25 on RegDB. The public code steps its
# schedule before an epoch: the warm-up starts one step late, at
# 0.01 + 0.99 / 10 of the rate, and ends with epoch 9, and the drop set to
# epoch 210 comes at 209.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=2.6e-4, weight_decay=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.109, begin=0, end=10, by_epoch=True),
    dict(type='MultiStepLR', milestones=[209], gamma=0.1, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=600)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=128)

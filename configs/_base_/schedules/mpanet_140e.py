# The recipe of MPANet on SYSU-MM01: Adam without warm-up, drops after 80 and
# 120 of 140 epochs.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=3.5e-4, weight_decay=5e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[80, 120], gamma=0.1, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=140)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=128)

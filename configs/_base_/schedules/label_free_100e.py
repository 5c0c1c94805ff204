# The recipe of ADCA and PGM: Adam, two stages of 50 epochs with drops after 20
# and 40, the second one at the full rate again.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=3.5e-4, weight_decay=5e-4))
param_scheduler = [
    dict(
        type='MultiStepLR',
        milestones=[20, 40, 70, 90],
        gamma=0.1,
        by_epoch=True),
    dict(type='MultiStepLR', milestones=[50], gamma=100, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=256)

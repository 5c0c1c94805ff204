# SimSiam: the learning rate of 0.05 for 256 images, scaled to 96. That of the
# predictor is not decayed.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01875, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(predictor=dict(fix_lr=True))))
schedule_hooks = [
    dict(
        type='mmpretrain.SimSiamHook',
        priority='HIGH',
        fix_pred_lr=True,
        lr=0.01875),
]
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=100, begin=0, end=100, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
# Images a step for which the learning rate of all but the predictor holds
# (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=96)

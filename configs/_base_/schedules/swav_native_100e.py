# SwAV: the learning rate of 0.6 for 256 images, scaled to 96, SGD in place of
# LARS, which is used without momentum; no weight decay, no warm-up.
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.225))
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=100,
        eta_min=2.25e-4,
        begin=0,
        end=100,
        by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
# Images a step for which the learning rate holds (--auto-scale-lr).
auto_scale_lr = dict(base_batch_size=96)

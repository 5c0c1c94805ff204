# The recipe of mmgl_100e.py in 60 short epochs of the embedded data set.
_base_ = './mmgl_100e.py'

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=3,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        T_max=57,
        eta_min=0,
        begin=3,
        end=60,
        by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=60, val_interval=5)
auto_scale_lr = dict(base_batch_size=64)

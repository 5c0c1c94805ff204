# A sixth of mmgl_synthetic.py, for comparisons of many pre-trainings.
_base_ = './mmgl_synthetic.py'

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=2,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        T_max=8,
        eta_min=0,
        begin=2,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10)

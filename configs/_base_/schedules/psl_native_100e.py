# PSL has no published recipe we know; this is that of its task, jigsaw, once
# in each stage: after the drops of the first stages the later ones could not
# learn.
_base_ = './jigsaw_native_100e.py'

param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        _base_.param_scheduler[1], milestones=[20, 29, 54, 63, 87, 95]),
    # Back to the start with each stage (epochs_per_stage=34).
    dict(type='MultiStepLR', milestones=[34, 68], gamma=100, by_epoch=True),
]

# PSL has no published recipe we know; this is that of its task, jigsaw, once
# in each stage: after the drops of the first stages the later ones could not
# learn.
_base_ = './jigsaw_native_100e.py'

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.25,
        begin=0,
        end=5,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='MultiStepLR',
        milestones=[20, 29, 54, 63, 87, 95],
        gamma=0.1,
        by_epoch=True),
    # Back to the start with each stage (epochs_per_stage=34).
    dict(type='MultiStepLR', milestones=[34, 68], gamma=100, by_epoch=True),
]

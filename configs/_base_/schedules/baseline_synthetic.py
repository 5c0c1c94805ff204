# The recipe of baseline_81e.py in 6 short epochs of the embedded data set.
_base_ = './baseline_81e.py'

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.1,
        begin=0,
        end=1,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[4, 5], gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=6)

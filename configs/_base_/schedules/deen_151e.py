# The recipe of baseline_81e.py with drops at 20 and 80; the public code names
# a third at 120, which it never reaches.
_base_ = './baseline_81e.py'

param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=10, by_epoch=True),
    dict(type='MultiStepLR', milestones=[20, 80], gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=151)
auto_scale_lr = dict(base_batch_size=48)

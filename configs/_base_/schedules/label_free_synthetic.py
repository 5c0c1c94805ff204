# The recipe of label_free_100e.py in 6 short epochs of the embedded data set.
_base_ = './label_free_100e.py'

param_scheduler = [
    dict(type='MultiStepLR', milestones=[5], gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=6)
auto_scale_lr = dict(base_batch_size=64)

# The recipe of mpanet_140e.py with the single drop of RegDB.
_base_ = './mpanet_140e.py'

param_scheduler = [
    dict(type='MultiStepLR', milestones=[110], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=120)

# The recipe of mpanet_140e.py in 9 short epochs of the embedded data set;
# a network that starts from random weights wants a higher learning rate.
_base_ = './mpanet_140e.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[6, 8], gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=9)
auto_scale_lr = dict(base_batch_size=64)

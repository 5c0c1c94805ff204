# The recipe of mutual_info_600e.py in 8 short epochs of the embedded data set,
# with a larger rate for so few steps.
_base_ = './mutual_info_600e.py'

optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.109,
        begin=0,
        end=1,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[6, 7], gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=8)
auto_scale_lr = dict(base_batch_size=64)

# The recipe of nfs_120e.py in 6 short epochs of the embedded data set.
_base_ = './nfs_120e.py'

search_phases = dict(warmup_end=1, search_end=4)
# 246 steps in all, 123 of them to search in: everything learns faster, but
# for the kernel on the pixels, which stays at 3e-3.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(
        custom_keys=dict(
            plugins=dict(lr_mult=50),
            pixel_weight=dict(lr_mult=3, decay_mult=0))))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=1,
        by_epoch=True,
        convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[4, 5], gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=6)

# The embedded data set in SYSU-MM01's layout: 112 + 16 identities.
_base_ = ['./pretrain.py', '../pipelines/96x48.py']

data_root = 'data/synthetic/mini'
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    # A budget for laptops: 33 iterations, about 0.6 of the images an epoch.
    sampler=dict(batch_size=64, num_pairs_per_epoch=1056),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='train',
        pipeline=_base_.pretrain_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='val',
        pipeline=_base_.shuffled_pipeline))

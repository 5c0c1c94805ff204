# The embedded data set in SYSU-MM01's layout without labels: 112 identities.
# The pipeline comes from the leaf.
_base_ = ['./pairs.py', '../pipelines/96x48.py']

data_root = 'data/synthetic/mini'
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    # A budget for laptops: 33 iterations, about 0.6 of the images an epoch.
    sampler=dict(batch_size=64, num_pairs_per_epoch=1056),
    dataset=dict(type='SYSUMM01', data_root=data_root, split='train'))

# The embedded data set in SYSU-MM01's layout: 112 + 16 identities.
_base_ = ['./synthetic_pairs.py', './permutation_val.py']

train_dataloader = dict(dataset=dict(pipeline=_base_.pretrain_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        type='SYSUMM01',
        data_root=_base_.data_root,
        split='val',
        pipeline=_base_.shuffled_pipeline))

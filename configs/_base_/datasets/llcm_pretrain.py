# LLCM: 713 identities to pre-train, 351 others to validate.
_base_ = ['./pairs.py', './permutation_val.py', '../pipelines/288x144.py']

data_root = 'data/LLCM'
train_dataloader = dict(
    dataset=dict(
        type='LLCM',
        data_root=data_root,
        split='train',
        pipeline=_base_.pretrain_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='LLCM',
        data_root=data_root,
        split='test',
        pipeline=_base_.shuffled_pipeline))

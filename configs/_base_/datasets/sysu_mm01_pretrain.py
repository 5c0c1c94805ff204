# SYSU-MM01: 296 identities to pre-train, 99 to validate.
_base_ = ['./sysu_mm01_pairs.py', './permutation_val.py']

train_dataloader = dict(dataset=dict(pipeline=_base_.pretrain_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='SYSUMM01',
        data_root=_base_.data_root,
        split='val',
        pipeline=_base_.shuffled_pipeline))

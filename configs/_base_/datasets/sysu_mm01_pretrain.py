# SYSU-MM01: 296 identities to pre-train, 99 to validate.
_base_ = ['./pretrain.py', '../pipelines/288x144.py']

data_root = 'data/SYSU-MM01'
train_dataloader = dict(
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='train',
        pipeline=_base_.pretrain_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='val',
        pipeline=_base_.shuffled_pipeline))

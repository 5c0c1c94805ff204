# Own data without labels, also without identities.
_base_ = ['./pairs.py', '../pipelines/288x144.py']

train_dataloader = dict(
    batch_size=32,
    sampler=dict(batch_size=32),
    dataset=dict(
        type='ReIDTable',
        data_root='data/own',
        table=None,
        split='train',
        pipeline=_base_.pretrain_pipeline))

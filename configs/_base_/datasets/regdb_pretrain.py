# One RegDB trial: 206 + 206 identities; change both trials together.
_base_ = ['./pairs.py', './permutation_val.py', '../pipelines/288x144.py']

data_root = 'data/RegDB'
train_dataloader = dict(
    dataset=dict(
        type='RegDB',
        data_root=data_root,
        split='train',
        trial=1,
        pipeline=_base_.pretrain_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='RegDB',
        data_root=data_root,
        split='test',
        trial=1,
        pipeline=_base_.shuffled_pipeline))

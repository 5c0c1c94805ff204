# SYSU-MM01 without labels: 296 identities. The pipeline comes from the leaf.
_base_ = ['./pairs.py', '../pipelines/288x144.py']

data_root = 'data/SYSU-MM01'
train_dataloader = dict(
    dataset=dict(type='SYSUMM01', data_root=data_root, split='train'))

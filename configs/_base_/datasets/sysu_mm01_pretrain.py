# Unlabelled cross-modal pairs of SYSU-MM01.
# 296 training identities.
_base_ = '../pipelines/288x144.py'

data_root = 'data/SYSU-MM01'
train_dataloader = dict(
    batch_size=96,
    num_workers=4,
    persistent_workers=True,
    # 48 visible and 48 infrared images, paired at random (Sec. IV-B).
    sampler=dict(type='CrossModalPairSampler', batch_size=96),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='train',
        pipeline=_base_.pretrain_pipeline))
# Permutation accuracy (Fig. 7) on identities the pre-training never saw.
val_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='val',
        pipeline=_base_.shuffled_pipeline))
val_evaluator = dict(type='PermutationAccuracy')
val_cfg = dict()

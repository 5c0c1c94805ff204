# Unlabelled cross-modal pairs of the embedded data set.
# SYSU-MM01 layout; 48 training, 12 validation, 40 test identities.
_base_ = '../pipelines/96x48.py'

data_root = 'data/synthetic/mini'
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    # 32 visible and 32 infrared images, paired at random.
    sampler=dict(type='CrossModalPairSampler', batch_size=64),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='train',
        pipeline=_base_.pretrain_pipeline))
# Permutation accuracy (Fig. 7) on identities the pre-training never saw.
val_dataloader = dict(
    batch_size=128,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='val',
        pipeline=_base_.shuffled_pipeline))
val_evaluator = dict(type='PermutationAccuracy')
val_cfg = dict()

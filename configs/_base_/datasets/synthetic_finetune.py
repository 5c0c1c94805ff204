# P x K batches of the embedded data set and its test protocol.
# SYSU-MM01 layout; 48 training, 12 validation, 40 test identities.
_base_ = '../pipelines/96x48.py'

data_root = 'data/synthetic/mini'
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    # P = 8 identities with K = 4 visible and K = 4 infrared images each.
    sampler=dict(type='IdentitySampler', num_ids=8, num_instances=4),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='trainval',
        pipeline=_base_.finetune_pipeline))
test_dataloader = dict(
    batch_size=128,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='test',
        pipeline=_base_.test_pipeline))
test_evaluator = dict(type='ReIDMetric', protocol='sysu')
test_cfg = dict()
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 60

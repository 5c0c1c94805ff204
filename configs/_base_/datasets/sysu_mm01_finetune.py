# P x K batches of SYSU-MM01 and its test protocol.
# 395 training identities.
_base_ = '../pipelines/288x144.py'

data_root = 'data/SYSU-MM01'
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
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
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='test',
        pipeline=_base_.test_pipeline))
test_evaluator = dict(type='ReIDMetric', protocol='sysu')
test_cfg = dict()
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 395

# P x K batches of one RegDB trial and its test protocol.
# 206 identities; change all trials together.
_base_ = '../pipelines/288x144.py'

data_root = 'data/RegDB'
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    # P = 8 identities with K = 4 visible and K = 4 infrared images each.
    sampler=dict(type='IdentitySampler', num_ids=8, num_instances=4),
    dataset=dict(
        type='RegDB',
        data_root=data_root,
        split='train',
        trial=1,
        pipeline=_base_.finetune_pipeline))
test_dataloader = dict(
    batch_size=128,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='RegDB',
        data_root=data_root,
        split='test',
        trial=1,
        pipeline=_base_.test_pipeline))
test_evaluator = dict(type='ReIDMetric', protocol='regdb')
test_cfg = dict()
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 206

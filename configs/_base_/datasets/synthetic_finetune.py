# The embedded data set in SYSU-MM01's layout: 128 + 40 identities.
_base_ = ['./finetune.py', '../pipelines/96x48.py']

data_root = 'data/synthetic/mini'
train_dataloader = dict(
    num_workers=1,
    # A budget for laptops: about half of the usual epoch.
    sampler=dict(num_iters=41),
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='trainval',
        pipeline=_base_.finetune_pipeline))
test_dataloader = dict(
    num_workers=1,
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='test',
        pipeline=_base_.test_pipeline))
test_evaluator = dict(type='ReIDMetric', protocol='sysu')
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 128

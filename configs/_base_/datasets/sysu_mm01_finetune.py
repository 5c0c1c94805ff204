# SYSU-MM01: the 395 training identities, its test protocol.
_base_ = ['./finetune.py', '../pipelines/288x144.py']

data_root = 'data/SYSU-MM01'
train_dataloader = dict(
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='trainval',
        pipeline=_base_.finetune_pipeline))
test_dataloader = dict(
    dataset=dict(
        type='SYSUMM01',
        data_root=data_root,
        split='test',
        pipeline=_base_.test_pipeline))
test_evaluator = dict(type='ReIDMetric', protocol='sysu')
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 395

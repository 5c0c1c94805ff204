# One RegDB trial: 206 + 206 identities; change both trials together.
_base_ = ['./finetune.py', '../pipelines/288x144.py']

data_root = 'data/RegDB'
train_dataloader = dict(
    dataset=dict(
        type='RegDB',
        data_root=data_root,
        split='train',
        trial=1,
        pipeline=_base_.finetune_pipeline))
test_dataloader = dict(
    dataset=dict(
        type='RegDB',
        data_root=data_root,
        split='test',
        trial=1,
        pipeline=_base_.test_pipeline))
test_evaluator = dict(type='ReIDMetric', protocol='regdb')
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 206

# One RegDB trial: 206 + 206 identities; change both trials together. The
# image size comes with the pipelines: see regdb_finetune.py.
_base_ = './finetune.py'

data_root = 'data/RegDB'
train_dataloader = dict(
    dataset=dict(
        type='RegDB', data_root=data_root, split='train', trial=1))
test_dataloader = dict(
    dataset=dict(type='RegDB', data_root=data_root, split='test', trial=1))
test_evaluator = dict(type='ReIDMetric', protocol='regdb')
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 206

# LLCM: the 713 training identities, its test protocol. The image size comes
# with the pipelines: see llcm_finetune.py.
_base_ = './finetune.py'

data_root = 'data/LLCM'
train_dataloader = dict(
    dataset=dict(type='LLCM', data_root=data_root, split='train'))
test_dataloader = dict(
    dataset=dict(type='LLCM', data_root=data_root, split='test'))
test_evaluator = dict(type='ReIDMetric', protocol='llcm')
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 713

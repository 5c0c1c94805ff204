# SYSU-MM01: the 395 training identities, its test protocol. The image size
# comes with the pipelines: see sysu_mm01_finetune.py.
_base_ = './finetune.py'

data_root = 'data/SYSU-MM01'
train_dataloader = dict(
    dataset=dict(type='SYSUMM01', data_root=data_root, split='trainval'))
test_dataloader = dict(
    dataset=dict(type='SYSUMM01', data_root=data_root, split='test'))
test_evaluator = dict(type='ReIDMetric', protocol='sysu')
# Identities to classify; the leaf config hands them to the classifier.
num_classes = 395

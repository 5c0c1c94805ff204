# Train on 112 identities and look at the other 16 of the training set after
# each epoch. Test identities are never used to choose.
_base_ = './synthetic_finetune.py'

train_dataloader = dict(dataset=dict(split='train'))
val_dataloader = dict(
    _base_.test_dataloader,
    dataset=dict(_base_.test_dataloader['dataset'], split='val_test'))
val_evaluator = dict(
    type='ReIDMetric', protocol='sysu', modes=('all', ), shots=(1, ))
val_cfg = dict()
num_classes = 112

# Train on 296 identities and choose the best epoch on the other 99 of the
# training set. Test identities are never used to choose.
_base_ = './sysu_mm01_finetune.py'

train_dataloader = dict(dataset=dict(split='train'))
val_dataloader = dict(
    _base_.test_dataloader,
    dataset=dict(_base_.test_dataloader['dataset'], split='val_test'))
# The validation identities appear in no indoor visible camera.
val_evaluator = dict(
    type='ReIDMetric', protocol='sysu', modes=('all', ), shots=(1, ))
val_cfg = dict()
num_classes = 296

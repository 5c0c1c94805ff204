# Train on 296 identities and choose the best epoch on the other 99 of the
# training set. Test identities are never used to choose.
_base_ = './sysu_mm01_finetune.py'

train_dataloader = dict(dataset=dict(split='train'))
val_dataloader = dict(
    batch_size=128,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SYSUMM01',
        data_root=_base_.data_root,
        split='val_test',
        pipeline=_base_.test_pipeline))
# The validation identities appear in no indoor visible camera.
val_evaluator = dict(
    type='ReIDMetric', protocol='sysu', modes=('all', ), shots=(1, ))
val_cfg = dict()
num_classes = 296

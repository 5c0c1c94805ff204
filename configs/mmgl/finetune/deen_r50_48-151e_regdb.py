_base_ = [
    '../../_base_/datasets/regdb_deen.py',
    '../../_base_/models/two_stream_r50.py',
    '../../_base_/methods/deen.py',
    '../../_base_/schedules/deen_151e.py',
    '../../_base_/default_runtime.py',
]

pipeline = (
    _base_.load_and_crop + [_base_.grayscale] + _base_.flip +
    [_base_.erase_small] + _base_.pack)
train_dataloader = dict(dataset=dict(pipeline=pipeline))
model = dict(
    backbone=dict(_base_.backbone, **_base_.short_backbone),
    heads=dict(id=dict(num_classes=_base_.num_classes)))

_base_ = [
    '../../_base_/datasets/synthetic_finetune.py',
    '../../_base_/models/two_stream_r18_narrow.py',
    '../../_base_/methods/deen.py',
    '../../_base_/schedules/baseline_synthetic.py',
    '../../_base_/default_runtime.py',
]

pipeline = (
    _base_.load_and_crop + [_base_.grayscale] + _base_.flip +
    [_base_.erase_large] + _base_.pack)
train_dataloader = dict(dataset=dict(pipeline=pipeline))
model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)),
    init_from=None)

_base_ = [
    '../../_base_/datasets/synthetic_finetune.py',
    '../../_base_/models/agw_r18_narrow.py',
    '../../_base_/methods/caj.py',
    '../../_base_/schedules/baseline_synthetic.py',
    '../../_base_/default_runtime.py',
]

pipeline = _base_.load + [dict(_base_.views, first=_base_.crop_and_flip)]
train_dataloader = dict(dataset=dict(pipeline=pipeline + _base_.pack))
model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)),
    init_from=None)

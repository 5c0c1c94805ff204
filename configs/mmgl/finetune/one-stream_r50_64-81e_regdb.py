_base_ = [
    '../../_base_/datasets/regdb_finetune.py',
    '../../_base_/models/one_stream_r50.py',
    '../../_base_/methods/one_stream.py',
    '../../_base_/schedules/baseline_81e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)))

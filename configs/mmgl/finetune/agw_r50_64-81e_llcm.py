_base_ = [
    '../../_base_/datasets/llcm_finetune.py',
    '../../_base_/models/agw_r50.py',
    '../../_base_/methods/agw.py',
    '../../_base_/schedules/baseline_81e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)))

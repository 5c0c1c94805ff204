_base_ = [
    '../../_base_/datasets/sysu_mm01_mutual_info.py',
    '../../_base_/models/one_stream_r50.py',
    '../../_base_/methods/mutual_info.py',
    '../../_base_/schedules/mutual_info_600e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(network=_base_.backbone),
    heads=dict(distillation=dict(num_classes=_base_.num_classes)))
# An epoch is short and three networks are large.
default_hooks = dict(checkpoint=dict(interval=20))

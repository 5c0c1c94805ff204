_base_ = [
    '../../_base_/datasets/synthetic_mutual_info.py',
    '../../_base_/models/one_stream_r18_narrow.py',
    '../../_base_/methods/mutual_info.py',
    '../../_base_/schedules/mutual_info_synthetic.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(network=_base_.backbone),
    neck=dict(hidden_channels=(128, 64), representation_channels=64),
    heads=dict(distillation=dict(num_classes=_base_.num_classes)),
    init_from=None)

_base_ = [
    '../../_base_/datasets/synthetic_finetune.py',
    '../../_base_/models/two_stream_r18_narrow.py',
    '../../_base_/methods/ddag.py',
    '../../_base_/schedules/baseline_synthetic.py',
    '../../_base_/default_runtime.py',
]

custom_hooks = _base_.custom_hooks + _base_.method_hooks
classes = dict(num_classes=_base_.num_classes)
model = dict(
    backbone=_base_.backbone,
    heads=dict(id=classes, graph=classes),
    init_from=None)

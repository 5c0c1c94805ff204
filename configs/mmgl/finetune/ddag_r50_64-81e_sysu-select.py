_base_ = [
    '../../_base_/datasets/sysu_mm01_select.py',
    '../../_base_/models/two_stream_r50.py',
    '../../_base_/methods/ddag.py',
    '../../_base_/schedules/baseline_81e.py',
    '../../_base_/default_runtime.py',
]

custom_hooks = _base_.custom_hooks + _base_.method_hooks
classes = dict(num_classes=_base_.num_classes)
model = dict(
    backbone=_base_.backbone, heads=dict(id=classes, graph=classes))
train_cfg = dict(val_interval=2)
default_hooks = dict(checkpoint=dict(save_best='all_single/mAP'))

_base_ = [
    '../../_base_/datasets/sysu_mm01_select.py',
    '../../_base_/models/agw_r50.py',
    '../../_base_/methods/agw.py',
    '../../_base_/schedules/baseline_81e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)))
train_cfg = dict(val_interval=2)
default_hooks = dict(checkpoint=dict(save_best='all_single/mAP'))

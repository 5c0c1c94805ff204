_base_ = [
    '../../_base_/datasets/synthetic_select.py',
    '../../_base_/models/agw_r18_narrow.py',
    '../../_base_/methods/agw.py',
    '../../_base_/schedules/baseline_synthetic.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)),
    init_from=None)
train_cfg = dict(val_interval=1)

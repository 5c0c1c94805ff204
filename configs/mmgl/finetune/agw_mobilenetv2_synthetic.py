_base_ = [
    '../../_base_/datasets/synthetic_finetune.py',
    '../../_base_/models/two_stream_mobilenetv2.py',
    '../../_base_/methods/agw.py',
    '../../_base_/schedules/baseline_synthetic.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)),
    init_from=None)
optim_wrapper = _base_.adam

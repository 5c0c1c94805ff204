_base_ = [
    '../../_base_/datasets/sysu_mm01_finetune.py',
    '../../_base_/models/two_stream_mobilenetv2.py',
    '../../_base_/methods/agw.py',
    '../../_base_/schedules/baseline_81e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)),
    init_from=dict(checkpoint='torchvision://mobilenet_v2'))
optim_wrapper = _base_.adam

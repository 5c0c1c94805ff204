_base_ = [
    '../../_base_/datasets/sysu_mm01_pairs.py',
    '../../_base_/pipelines/views_288x144.py',
    '../../_base_/models/two_stream_r50.py',
    '../../_base_/methods/simsiam.py',
    '../../_base_/schedules/mmgl_100e.py',
    '../../_base_/default_runtime.py',
]

views = dict(_base_.views, first=_base_.global_crop)
train_dataloader = dict(
    dataset=dict(pipeline=_base_.load + [views] + _base_.pack))
model = dict(backbone=dict(network=_base_.backbone))
custom_hooks = _base_.custom_hooks + _base_.method_hooks

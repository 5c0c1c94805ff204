_base_ = [
    '../../_base_/datasets/sysu_mm01_pairs.py',
    '../../_base_/pipelines/views_288x144.py',
    '../../_base_/models/two_stream_r50.py',
    '../../_base_/methods/swav.py',
    '../../_base_/schedules/mmgl_100e.py',
    '../../_base_/default_runtime.py',
]

views = dict(type='Views', copies=[2, 6], views=[
    _base_.global_crop + _base_.view,
    _base_.local_crop + _base_.view])
train_dataloader = dict(
    dataset=dict(pipeline=_base_.load + [views] + _base_.pack))
model = dict(backbone=dict(network=_base_.backbone))
custom_hooks = _base_.custom_hooks + _base_.method_hooks

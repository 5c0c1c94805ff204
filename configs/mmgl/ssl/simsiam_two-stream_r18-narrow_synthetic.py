_base_ = [
    '../../_base_/datasets/synthetic_pairs_two_views.py',
    '../../_base_/pipelines/views_96x48.py',
    '../../_base_/models/two_stream_r18_narrow.py',
    '../../_base_/methods/simsiam.py',
    '../../_base_/schedules/contrastive_synthetic_10e.py',
    '../../_base_/default_runtime.py',
]

views = dict(_base_.views_small, first=_base_.global_crop)
train_dataloader = dict(
    dataset=dict(pipeline=_base_.load + [views] + _base_.pack))
model = dict(
    backbone=dict(network=_base_.backbone),
    neck=dict(in_channels=256, hid_channels=512, out_channels=512),
    head=dict(
        predictor=dict(in_channels=512, hid_channels=128, out_channels=512)))
custom_hooks = _base_.custom_hooks + _base_.method_hooks

_base_ = [
    '../../_base_/datasets/synthetic_pairs.py',
    '../../_base_/pipelines/views_96x48.py',
    '../../_base_/models/two_stream_r18_narrow.py',
    '../../_base_/methods/swav.py',
    '../../_base_/schedules/contrastive_synthetic_10e.py',
    '../../_base_/default_runtime.py',
]

views = dict(type='Views', copies=[2, 4], views=[
    _base_.global_crop + _base_.view_small,
    _base_.local_crop + _base_.view_small])
train_dataloader = dict(
    sampler=dict(num_pairs_per_epoch=352),
    dataset=dict(pipeline=_base_.load + [views] + _base_.pack))
model = dict(
    backbone=dict(network=_base_.backbone),
    neck=dict(in_channels=256, hid_channels=512),
    head=dict(loss=dict(num_prototypes=100, num_crops=[2, 4])))
custom_hooks = _base_.custom_hooks + _base_.method_hooks_small

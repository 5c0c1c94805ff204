_base_ = [
    '../../_base_/datasets/synthetic_finetune.py',
    '../../_base_/models/two_stream_r18_narrow.py',
    '../../_base_/methods/nfs.py',
    '../../_base_/schedules/nfs_synthetic.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(id=dict(num_classes=_base_.num_classes)), init_from=None)
pipeline = _base_.load + _base_.crop_and_flip + _base_.erase + _base_.pack
train_dataloader = dict(dataset=dict(pipeline=pipeline))
custom_hooks = _base_.custom_hooks + [_base_.search_phases]

_base_ = [
    '../../_base_/datasets/own_finetune.py',
    '../../_base_/models/agw_r50.py',
    '../../_base_/methods/label_free.py',
    '../../_base_/schedules/label_free_100e.py',
    '../../_base_/default_runtime.py',
]

pipeline = _base_.load + [dict(_base_.views, first=_base_.crop_and_flip)]
train_dataloader = dict(
    batch_size=128,
    sampler=dict(
        type='PseudoLabelSampler', num_instances=16, num_iters=100),
    dataset=dict(pipeline=pipeline + _base_.pack, paired=False))
model = dict(backbone=_base_.backbone)
custom_hooks = _base_.custom_hooks + [
    dict(_base_.pseudo_labels, pipeline=_base_.test_pipeline),
    dict(_base_.cross_modality, begin=50, end=51),
]

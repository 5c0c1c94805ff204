_base_ = [
    '../../_base_/datasets/sysu_mm01_finetune.py',
    '../../_base_/models/agw_r50.py',
    '../../_base_/methods/label_free.py',
    '../../_base_/schedules/label_free_100e.py',
    '../../_base_/default_runtime.py',
]

pipeline = _base_.load + [dict(_base_.views, first=_base_.crop_and_flip)]
train_dataloader = dict(
    batch_size=256,
    sampler=dict(
        type='PseudoLabelSampler', num_ids=8, num_instances=16, num_iters=200),
    dataset=dict(pipeline=pipeline + _base_.pack))
model = dict(backbone=_base_.backbone)
custom_hooks = _base_.custom_hooks + [
    dict(_base_.pseudo_labels, pipeline=_base_.test_pipeline),
    dict(_base_.cross_modality, begin=50, end=51),
]

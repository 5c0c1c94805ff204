_base_ = [
    '../../_base_/datasets/synthetic_finetune.py',
    '../../_base_/models/agw_r18_narrow.py',
    '../../_base_/methods/label_free.py',
    '../../_base_/schedules/label_free_synthetic.py',
    '../../_base_/default_runtime.py',
]

pipeline = _base_.load + [dict(_base_.views, first=_base_.crop_and_flip)]
train_dataloader = dict(
    batch_size=64,
    sampler=dict(
        type='PseudoLabelSampler', num_ids=8, num_instances=4, num_iters=41),
    dataset=dict(pipeline=pipeline + _base_.pack))
model = dict(backbone=_base_.backbone, init_from=None)
custom_hooks = _base_.custom_hooks + [
    dict(_base_.pseudo_labels, pipeline=_base_.test_pipeline, k1=8),
    dict(_base_.cross_modality, begin=1, end=2),
]

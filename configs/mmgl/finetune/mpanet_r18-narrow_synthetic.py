_base_ = [
    '../../_base_/datasets/synthetic_mpanet.py',
    '../../_base_/models/one_stream_r18_narrow.py',
    '../../_base_/methods/mpanet.py',
    '../../_base_/schedules/mpanet_synthetic.py',
    '../../_base_/default_runtime.py',
]

classes = dict(num_classes=_base_.num_classes)
model = dict(
    backbone=_base_.backbone,
    heads=dict(id=classes, modality=classes),
    init_from=None)
custom_hooks = _base_.custom_hooks + _base_.method_hooks

_base_ = [
    '../../_base_/datasets/regdb_mpanet.py',
    '../../_base_/models/one_stream_r50.py',
    '../../_base_/methods/mpanet.py',
    '../../_base_/schedules/mpanet_140e_regdb.py',
    '../../_base_/default_runtime.py',
]

classes = dict(num_classes=_base_.num_classes)
# As published, and on RegDB only.
test_evaluator = dict(distance='euclidean')
model = dict(
    backbone=_base_.backbone,
    heads=dict(id=classes, modality=classes),
    normalize=False)
custom_hooks = _base_.custom_hooks + _base_.method_hooks

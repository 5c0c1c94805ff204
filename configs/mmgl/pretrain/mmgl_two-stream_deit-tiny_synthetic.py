_base_ = [
    '../../_base_/datasets/synthetic_pretrain.py',
    '../../_base_/models/two_stream_deit_tiny.py',
    '../../_base_/methods/mmgl.py',
    '../../_base_/schedules/pretrain_synthetic_10e.py',
    '../../_base_/contiguous_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(
        permutation=dict(num_stripes=_base_.num_stripes),
        part=dict(num_stripes=_base_.num_stripes)))
# AdamW as transformers want it, instead of SGD.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3.5e-4, weight_decay=0.05))

_base_ = [
    '../../_base_/datasets/synthetic_pretrain.py',
    '../../_base_/models/two_stream_deit_tiny.py',
    '../../_base_/methods/mmgl.py',
    '../../_base_/schedules/pretrain_synthetic_10e.py',
    '../../_base_/default_runtime.py',
]

model = dict(
    backbone=_base_.backbone,
    heads=dict(
        permutation=dict(num_stripes=_base_.num_stripes),
        part=dict(num_stripes=_base_.num_stripes)))
optim_wrapper = _base_.adamw

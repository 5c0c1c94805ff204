_base_ = [
    '../../_base_/datasets/synthetic_pairs.py',
    '../../_base_/models/two_stream_r18_narrow.py',
    '../../_base_/methods/psl.py',
    '../../_base_/schedules/pretrain_synthetic_10e.py',
    '../../_base_/default_runtime.py',
]

tiles = [_base_.remove_colour, dict(_base_.stages, epochs_per_stage=[3, 3, 4])]
train_dataloader = dict(
    dataset=dict(
        pipeline=_base_.load + _base_.crop_and_flip + tiles +
        _base_.pack))
model = dict(backbone=_base_.backbone)

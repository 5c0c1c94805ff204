_base_ = [
    '../../_base_/datasets/synthetic_pairs.py',
    '../../_base_/models/two_stream_r18_narrow.py',
    '../../_base_/methods/jigsaw.py',
    '../../_base_/schedules/pretrain_synthetic_10e.py',
    '../../_base_/default_runtime.py',
]

train_dataloader = dict(
    dataset=dict(
        pipeline=_base_.load + _base_.crop_and_flip + _base_.tiles +
        _base_.pack))
model = dict(backbone=_base_.backbone)

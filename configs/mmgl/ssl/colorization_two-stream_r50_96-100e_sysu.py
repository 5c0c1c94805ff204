_base_ = [
    '../../_base_/datasets/sysu_mm01_pairs.py',
    '../../_base_/models/two_stream_r50.py',
    '../../_base_/methods/colorization.py',
    '../../_base_/schedules/mmgl_100e.py',
    '../../_base_/default_runtime.py',
]

train_dataloader = dict(
    dataset=dict(pipeline=_base_.load + _base_.crop_and_flip + _base_.pack))
model = dict(backbone=_base_.backbone)

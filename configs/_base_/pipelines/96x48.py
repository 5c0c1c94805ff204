# Pipelines at 96 x 48 pixels (height x width).
_base_ = './augment.py'

load = [
    dict(type='LoadImageFromFile'),
    # OpenCV's bilinear interpolation, which averages nothing: no public code
    # names a filter for drawn images, and the records in docs/results stand
    # on this one.
    dict(type='Resize', scale=(48, 96)),
]
# Zero padding of 4 pixels, then a crop of the original size.
crop = [
    dict(type='mmpretrain.RandomCrop', crop_size=(96, 48), padding=4),
]
load_and_crop = load + crop
crop_and_flip = crop + _base_.flip
# The preset for laptops, not the recipe of the paper: without AugMix, which
# takes as long as a step of a small network on two cores, and with smaller
# erased areas, which suit 60 short epochs.
pretrain_pipeline = (
    load + crop_and_flip + [dict(_base_.erase[0], max_area_ratio=0.2)] +
    _base_.shuffle_and_pack)
finetune_pipeline = load_and_crop + _base_.finetune_augment
shuffled_pipeline = load + _base_.shuffle_and_pack
test_pipeline = load + _base_.pack

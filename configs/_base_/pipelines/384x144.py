# Pipelines at 384 x 144 pixels (height x width), those of DEEN.
_base_ = './augment.py'

load = [
    dict(type='LoadImageFromFile'),
    # The filter of the public code.
    dict(type='PILResize', scale=(144, 384), interpolation='lanczos'),
]
# Zero padding of 10 pixels, then a crop of the original size.
crop = [
    dict(type='mmpretrain.RandomCrop', crop_size=(384, 144), padding=10),
]
load_and_crop = load + crop
test_pipeline = load + _base_.pack

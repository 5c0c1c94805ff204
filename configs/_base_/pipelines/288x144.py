# Pipelines at 288 x 144 pixels (height x width).
_base_ = './augment.py'

load = [
    dict(type='LoadImageFromFile'),
    # The filter of the public code of AGW, DDAG and CAJ.
    dict(type='PILResize', scale=(144, 288), interpolation='lanczos'),
]
# Zero padding of 10 pixels, then a crop of the original size.
crop = [
    dict(type='mmpretrain.RandomCrop', crop_size=(288, 144), padding=10),
]
load_and_crop = load + crop
crop_and_flip = crop + _base_.flip
pretrain_pipeline = (
    load_and_crop + _base_.flip + _base_.augmix + _base_.erase +
    _base_.shuffle_and_pack)
finetune_pipeline = load_and_crop + _base_.finetune_augment
shuffled_pipeline = load + _base_.shuffle_and_pack
test_pipeline = load + _base_.pack

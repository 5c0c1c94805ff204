# Pipelines at 256 x 128 pixels (height x width). Pre-training has its own
# sizes; its weights fit any.
_base_ = './augment.py'

load = [
    dict(type='LoadImageFromFile'),
    # The filter of the public code of MPANet (RegDB) and MutualInfo.
    dict(type='PILResize', scale=(128, 256), interpolation='bilinear'),
]
# Grey padding of 10 pixels, then a crop of the original size; a single 127
# would fill one channel only.
load_and_crop = load + [
    dict(
        type='mmpretrain.RandomCrop',
        crop_size=(256, 128),
        padding=10,
        pad_val=(127, 127, 127)),
]
finetune_pipeline = load_and_crop + _base_.finetune_augment
test_pipeline = load + _base_.pack

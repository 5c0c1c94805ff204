# Random crops that contrastive methods begin a view with, at 288 x 144 pixels
# (height x width). A crop of less than a fifth of the area hardly shows a
# person, and the usual 3/4 to 4/3 would make squares of an upright one.
global_crop = [
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=(288, 144),
        crop_ratio_range=(0.2, 1.0),
        # Width by height of the crop.
        aspect_ratio_range=(0.4, 0.6)),
]
local_crop = [
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=(144, 72),
        crop_ratio_range=(0.05, 0.3),
        aspect_ratio_range=(0.4, 0.6)),
]

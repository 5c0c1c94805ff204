# Augmentation that does not depend on the image size; the rest of a pipeline
# stands in the files of the sizes.

# Sec. IV-B: flip, AugMix, random erasing (after the padded crop); the stripes
# are shuffled last, so that no augmentation can reveal a seam.
flip = [dict(type='RandomFlip', prob=0.5, direction='horizontal')]
augmix = [dict(type='AugMix')]
erase = [
    dict(
        type='mmpretrain.RandomErasing',
        erase_prob=0.5,
        min_area_ratio=0.02,
        max_area_ratio=0.4,
        aspect_range=(0.3, 3.33),
        mode='const',
        fill_color=(103.53, 116.28, 123.675)),
]
pack = [dict(type='PackReIDInputs')]
# N of Table VI, for transforms and heads.
num_stripes = 6
shuffle = dict(type='SharedStripeShuffle', num_stripes=num_stripes)
shuffle_and_pack = [shuffle] + pack
# Baseline recipe of AGW and One-Stream: padded crop and flip only.
finetune_augment = flip + pack
# Recipe of MPANet: flip and the random erasing of torchvision 0.4, which its
# code names: ten tries, mean colour.
erase_augment = flip + [
    dict(
        type='ChannelRandomErasing',
        prob=0.5,
        area_range=(0.02, 0.33),
        aspect_range=(0.3, 3.3),
        max_tries=10,
        fill=(0, 0, 0)),
] + pack

# Jigsaw puzzles (Noroozi and Favaro, ECCV 2016), on a ResNet as in the
# benchmark of Goyal et al. (ICCV 2019). The leaf config adds the backbone and
# puts `tiles` behind its augmentation.
permutations = 100
# Infrared images have no colour to take away. mmcv's weights are in the order
# of the image, BGR.
remove_colour = dict(
    type='ModalityTransform',
    visible=[
        dict(
            type='RandomGrayscale',
            prob=0.66,
            keep_channels=True,
            channel_weights=(0.114, 0.587, 0.2989)),
    ])
# Tiles of 80 x 40 at random places in cells of 96 x 48 for images of 288 x
# 144 pixels, of 26 x 13 in 32 x 16 for 96 x 48.
tiles = [
    remove_colour,
    dict(
        type='JigsawTiles',
        grid=(3, 3),
        gap=1 / 6,
        num_permutations=permutations),
]
model = dict(
    type='ReIDModel',
    # Each tile goes through the stem of its image's modality.
    data_preprocessor=dict(type='TilePreprocessor', standardise=True),
    neck=dict(type='MapNeck'),
    heads=dict(
        jigsaw=dict(
            type='JigsawHead',
            num_tiles=9,
            num_permutations=permutations,
            hidden_channels=1000)),
    test_feature='pool')

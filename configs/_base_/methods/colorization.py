# Colorization (Zhang, Isola and Efros, ECCV 2016). The leaf config adds the
# backbone; its augmentation must leave colours alone.
model = dict(
    type='ReIDModel',
    # Infrared images are to be coloured grey; 'ignore' leaves them out.
    data_preprocessor=dict(type='LightnessPreprocessor', infrared='grey'),
    neck=dict(type='MapNeck'),
    heads=dict(
        colour=dict(
            type='ColorizationHead',
            hidden_channels=256,
            # Bins at a distance of 10 in ab: 261 in the gamut of sRGB.
            grid=10,
            num_neighbours=5,
            sigma=5.0,
            # Lambda of the weights of rare colours.
            uniform_share=0.5,
            # From stride 16 to 4.
            upsample=4)),
    test_feature='pool')

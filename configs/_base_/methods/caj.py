# CAJ (Ye et al., ICCV 2021): the network of AGW on three views, the visible
# image, its channel-augmented view and the infrared image, with the squared
# difference of AGW's weighted distances (--square 1).
_base_ = './agw.py'

# A batch of 8 x (4 + 4) images has 96 rows. The leaf config adds the steps
# that every view starts with, which depend on the image size.
erase_half = dict(type='ChannelRandomErasing', prob=0.5)
views = dict(
    type='Views',
    views=[
        [
            erase_half,
            dict(
                type='ModalityTransform',
                infrared=[dict(type='ChannelAdaptiveGray', gray_prob=0.5)]),
        ],
        [
            dict(
                type='ModalityTransform',
                visible=[erase_half, dict(type='ChannelExchange')],
                # No second view.
                infrared=None),
        ],
    ])
model = dict(
    heads=dict(
        triplet=dict(
            loss=dict(type='EnhancedSquaredDifferenceLoss', published=True))),
    # Mean of the features of an image and of its mirror image.
    flip_test=True)

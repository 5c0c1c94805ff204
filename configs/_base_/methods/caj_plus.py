# CAJ+ (Ye et al., TPAMI 2023): stronger augmentation, and the visible image
# learns from the prediction for its channel-augmented view.
_base_ = './caj.py'

erase_more = dict(type='ChannelRandomErasing', prob=0.6)
# PIL's weights, in the order of the image, BGR.
grayscale = dict(
    type='RandomGrayscale',
    prob=0.1,
    keep_channels=True,
    channel_weights=(0.114, 0.587, 0.299))
views = dict(views=[
    [
        dict(
            type='ModalityTransform',
            visible=[grayscale, erase_more],
            infrared=[
                _base_.erase_half,
                dict(type='ChannelAdaptiveGray', gray_prob=0.6),
            ]),
    ],
    [
        dict(
            type='ModalityTransform',
            visible=[erase_more, dict(type='ChannelExchange')],
            infrared=None),
    ],
])
model = dict(
    heads=dict(
        id=dict(
            consistency=dict(type='ViewConsistencyLoss', loss_weight=1.0))))

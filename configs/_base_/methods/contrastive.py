# What SimCLR, SwAV, BYOL, SimSiam and Barlow Twins share. Their classes are
# mmpretrain's; the modality reaches the stems as a fourth channel. The leaf
# config adds the network behind the backbone and the crops of the views.
model = dict(
    data_preprocessor=dict(type='ModalityChannelPreprocessor'),
    backbone=dict(type='ModalityChannelBackbone'))

# Hue is a question of torchvision: mmcv's does not work under numpy 2.
# On infrared images, which are grey, only brightness and contrast matter.
to_pil = dict(type='mmpretrain.NumpyToPIL', to_rgb=True)
to_numpy = dict(type='mmpretrain.PILToNumpy', to_bgr=True)
colour = dict(
    type='mmpretrain.torchvision/ColorJitter',
    brightness=0.4,
    contrast=0.4,
    saturation=0.2,
    hue=0.1)
strong_colour = dict(
    colour, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
jitter = dict(
    type='RandomApply', prob=0.8, transforms=[to_pil, colour, to_numpy])
strong_jitter = dict(jitter, transforms=[to_pil, strong_colour, to_numpy])
# For the drawn images of the embedded data set, whose identities differ by
# colours above all; see docs/rivals.md.
mild_colour = dict(
    colour, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02)
mild_jitter = dict(jitter, transforms=[to_pil, mild_colour, to_numpy])
mirror = dict(type='RandomFlip', prob=0.5)
gray = dict(
    type='RandomGrayscale',
    prob=0.2,
    keep_channels=True,
    channel_weights=(0.114, 0.587, 0.2989))
# For images of 224 pixels and more; small ones go without.
blur = dict(
    type='mmpretrain.GaussianBlur',
    magnitude_range=(0.1, 2.0),
    magnitude_std='inf',
    prob=0.5)

# Several GPUs: batch statistics of all of them, in backbone and heads.
sync_bn = 'torch'
# Features that collapse end the run; mixed precision is for the backbone.
method_hooks = [
    dict(type='FeatureSpreadHook'),
    dict(type='BackboneAutocastHook'),
]

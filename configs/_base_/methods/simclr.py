# SimCLR (Chen et al., ICML 2020).
_base_ = './contrastive.py'

# The leaf config adds the crop as `first`; the embedded data set takes
# views_small.
view = [_base_.mirror, _base_.strong_jitter, _base_.gray, _base_.blur]
view_small = [_base_.mirror, _base_.mild_jitter, _base_.gray]
views = dict(type='Views', views=[view], copies=[2])
views_small = dict(type='Views', views=[view_small], copies=[2])
model = dict(
    type='mmpretrain.SimCLR',
    neck=dict(
        type='mmpretrain.NonLinearNeck',
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        num_layers=2,
        norm_cfg=dict(type='BN1d')),
    head=dict(
        type='GlobalContrastiveHead',
        temperature=0.1,
        loss=dict(type='mmpretrain.CrossEntropyLoss')))

# SimSiam (Chen and He, CVPR 2021). The MMGL paper reports its collapse.
_base_ = './contrastive.py'

# The leaf config adds the crop as `first`; the embedded data set takes
# views_small.
view = [
    dict(
        _base_.jitter,
        transforms=[
            _base_.to_pil,
            dict(_base_.colour, saturation=0.4),
            _base_.to_numpy,
        ]),
    _base_.gray,
]
views = dict(
    type='Views', views=[view + [_base_.blur, _base_.mirror]], copies=[2])
views_small = dict(
    type='Views',
    views=[[_base_.mild_jitter, _base_.gray, _base_.mirror]],
    copies=[2])
model = dict(
    type='mmpretrain.SimSiam',
    neck=dict(
        type='mmpretrain.NonLinearNeck',
        in_channels=2048,
        hid_channels=2048,
        out_channels=2048,
        num_layers=3,
        with_last_bn_affine=False,
        norm_cfg=dict(type='BN1d')),
    head=dict(
        type='mmpretrain.LatentPredictHead',
        loss=dict(type='mmpretrain.CosineSimilarityLoss'),
        predictor=dict(
            type='mmpretrain.NonLinearNeck',
            in_channels=2048,
            hid_channels=512,
            out_channels=2048,
            with_avg_pool=False,
            with_last_bn=False,
            with_last_bias=True,
            norm_cfg=dict(type='BN1d'))))

# Barlow Twins (Zbontar et al., ICML 2021), on the views of BYOL.
_base_ = './asymmetric_views.py'

model = dict(
    type='mmpretrain.BarlowTwins',
    neck=dict(
        type='mmpretrain.NonLinearNeck',
        in_channels=2048,
        hid_channels=8192,
        out_channels=8192,
        num_layers=3,
        with_last_bn=False,
        with_last_bn_affine=False,
        norm_cfg=dict(type='BN1d'),
        init_cfg=dict(
            type='Kaiming', distribution='uniform', layer=['Linear'])),
    head=dict(
        type='GlobalCrossCorrelationHead',
        in_channels=8192,
        loss=dict(type='mmpretrain.CrossCorrelationLoss', lambd=0.0051)))

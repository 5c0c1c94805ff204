# The two unlike views of BYOL, which Barlow Twins took over.
_base_ = './contrastive.py'

# The leaf config adds the crop as `first`; the embedded data set takes
# views_small.
view = [_base_.mirror, _base_.jitter, _base_.gray]
view_small = [_base_.mirror, _base_.mild_jitter, _base_.gray]
solarize = dict(type='mmpretrain.Solarize', thr=128, prob=0.2)
views = dict(
    type='Views',
    views=[
        view + [dict(_base_.blur, prob=1.0)],
        view + [dict(_base_.blur, prob=0.1), solarize],
    ])
views_small = dict(type='Views', views=[view_small, view_small + [solarize]])

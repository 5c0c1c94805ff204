# The crops of views_288x144.py at 96 x 48 pixels (height x width). Global
# ones keep most of a figure; see docs/rivals.md.
_base_ = './views_288x144.py'

global_crop = [
    dict(
        _base_.global_crop[0], scale=(96, 48), crop_ratio_range=(0.6, 1.0)),
]
local_crop = [dict(_base_.local_crop[0], scale=(48, 24))]

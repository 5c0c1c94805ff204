_base_ = './mutual-info_r50_64-600e_regdb.py'

model = _base_.paper
custom_hooks = _base_.custom_hooks + _base_.paper_hooks

_base_ = './mutual-info_r50_128-600e_sysu.py'

model = _base_.paper
custom_hooks = _base_.custom_hooks + _base_.paper_hooks

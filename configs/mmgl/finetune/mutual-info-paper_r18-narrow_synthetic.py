_base_ = './mutual-info_r18-narrow_synthetic.py'

model = _base_.paper
custom_hooks = _base_.custom_hooks + [dict(_base_.paper_hooks[0], end=1)]

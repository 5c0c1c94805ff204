# The divergences of the paper and a converged transport.
_base_ = './mutual-info_r18-narrow_synthetic.py'

model = dict(
    heads=dict(distillation=dict(kl_mode='paper', cml='sinkhorn')))
# Distillation waits until the observations have something to say.
method_hooks = [
    dict(type='LossRampHook', loss='heads.distillation', end=10)
]
custom_hooks = _base_.custom_hooks + [dict(method_hooks[0], end=1)]

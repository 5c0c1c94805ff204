# Barlow Twins: the learning rate of 1.6 for 2048 images, scaled to 96, with
# SGD in place of LARS. Its loss is a sum over all pairs of dimensions, whose
# gradient LARS levelled; here it is clipped. Warm-up and decay as long as in
# mmgl_100e.py.
_base_ = './mmgl_100e.py'

norm_and_bias = dict(decay_mult=0, lr_mult=0.024)
optim_wrapper = dict(
    optimizer=dict(lr=0.075, weight_decay=1e-6),
    clip_grad=dict(max_norm=10),
    paramwise_cfg=dict(
        custom_keys={
            'bn': norm_and_bias,
            'bias': norm_and_bias,
            'downsample.1': norm_and_bias,
        }))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1.6e-4),
    dict(_base_.param_scheduler[1], eta_min=7.5e-5),
]

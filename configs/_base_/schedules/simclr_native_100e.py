# SimCLR: the learning rate of 0.3 for 256 images, scaled to 96, with SGD in
# place of LARS, which is for batches of thousands. Warm-up and decay as long
# as in mmgl_100e.py, from nearly 0.
_base_ = './mmgl_100e.py'

optim_wrapper = dict(
    optimizer=dict(lr=0.1125, weight_decay=1e-6),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-4),
    _base_.param_scheduler[1],
]

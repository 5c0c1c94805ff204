# Everything about a run that is no part of model, data or schedule.

# Component names are looked up in mmgl first, then in mmengine; others carry
# their package: 'mmpretrain.RandomErasing'.
default_scope = 'mmgl'

# Each part is one hook of mmengine; None would remove it.
default_hooks = dict(
    # Epoch, iteration, learning rate and losses for whoever asks the message
    # hub; losses stay on the device until the log is written.
    runtime_info=dict(type='DeferredRuntimeInfoHook'),
    # Time of loading and of a whole iteration.
    timer=dict(type='IterTimerHook'),
    # A log line every so many iterations and at the end of each epoch.
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=True),
    # Learning rate and momentum by param_scheduler.
    param_scheduler=dict(type='ParamSchedulerHook'),
    # A checkpoint each epoch. Keep two: while the newer one is written, the
    # older one is what an interrupted run goes on from. The file backend
    # gives a checkpoint its name only when it is complete.
    checkpoint=dict(
        type='CheckpointHook',
        interval=1,
        max_keep_ckpts=2,
        save_last=True,
        backend_args=dict(backend='atomic')),
    # Tell the sampler the epoch.
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Convolutions keep the channels of a place side by side in memory, which
    # is faster on processors and, in half precision, on GPUs. None leaves the
    # order of public code.
    channels_last=dict(type='ChannelsLastHook'))

custom_hooks = [
    # Randomness of an iteration depends on seed and iteration only, so that
    # a resumed run is the uninterrupted one.
    dict(type='IterationSeedHook'),
    # Data set, split, trial and identities, for later checks.
    dict(type='DatasetMetaHook'),
    # Losses that explode, freeze or are no number, and collapsed features, end
    # the run with a verdict, before it is saved.
    dict(type='DivergenceHook', interval=10),
]

env_cfg = dict(
    # Let cuDNN try algorithms: faster for images of one size, not
    # deterministic to the last bit on GPU.
    cudnn_benchmark=False,
    # Workers are forked; OpenCV must not start threads in each of them.
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # For GPUs; without any, gloo is used.
    dist_cfg=dict(backend='nccl'))

# precision: 'auto' (the fastest that the machine has), 'fp32', 'bf16' or
# 'fp16' chooses the optimizer wrapper, as --amp does; without it the wrapper
# stays what it is.

# seed: --seed N. deterministic=True asks for deterministic GPU kernels.
randomness = dict(seed=0, deterministic=False, diff_rank_seed=False)

# Scalars, config and pictures go to work_dir/DATE_TIME/vis_data. Add
# dict(type='TensorboardVisBackend') or WandbVisBackend to see them live.
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)

# Values in the log are means over this many iterations.
log_processor = dict(window_size=50, by_epoch=True)
log_level = 'INFO'

# load_from: checkpoint to start from with a fresh schedule. resume=True goes
# on with the schedule of load_from, or of the newest checkpoint in work_dir;
# --resume sets both.
load_from = None
resume = False

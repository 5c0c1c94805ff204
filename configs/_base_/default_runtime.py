# Everything about a run that is no part of model, data or schedule.
_base_ = './contiguous_runtime.py'

default_hooks = dict(
    # Convolutions keep the channels of a place side by side in memory, which
    # is faster on processors and, in half precision, on GPUs.
    channels_last=dict(type='ChannelsLastHook'))

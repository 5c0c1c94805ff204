# The two-stream backbone of AGW: five non-local blocks in the shared trunk,
# with one inner channel as in the published runs ('half': as intended).
_base_ = './two_stream_r50.py'

backbone = dict(non_local='agw', non_local_channels=1)

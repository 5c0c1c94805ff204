# The narrow two-stream network with the non-local blocks of AGW.
_base_ = './two_stream_r18_narrow.py'

backbone = dict(non_local='agw', non_local_channels=1)

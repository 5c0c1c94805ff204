# The recipe of mutual_info_600e.py for batches of 64 images.
_base_ = './mutual_info_600e.py'

auto_scale_lr = dict(base_batch_size=64)

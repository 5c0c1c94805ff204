# What the paper names and nothing else: no norm before the permutation layer
# or behind the projection.
_base_ = '../pretrain/mmgl_two-stream_r18-narrow_synthetic.py'

model = dict(
    heads=dict(permutation=dict(norm='none'), part=dict(norm='none')))

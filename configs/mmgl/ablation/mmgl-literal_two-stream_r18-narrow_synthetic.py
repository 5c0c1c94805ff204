# What the paper names and nothing else: no norm before the permutation layer
# or behind the projection.
_base_ = '../pretrain/mmgl_two-stream_r18-narrow_synthetic.py'

model = dict(
    permutation_head=dict(norm='none'), part_head=dict(norm='none'))

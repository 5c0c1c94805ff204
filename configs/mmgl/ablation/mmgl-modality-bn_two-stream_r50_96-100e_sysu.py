# Part vectors with statistics a modality, which hide the modality gap.
_base_ = '../pretrain/mmgl_two-stream_r50_96-100e_sysu.py'

model = dict(heads=dict(part=dict(norm='modality_bn')))

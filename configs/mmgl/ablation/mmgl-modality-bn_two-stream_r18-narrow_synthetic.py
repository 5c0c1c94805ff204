# Part vectors with statistics a modality, which hide the modality gap.
_base_ = '../pretrain/mmgl_two-stream_r18-narrow_synthetic.py'

model = dict(heads=dict(part=dict(norm='modality_bn')))

_base_ = './agw_r18-narrow_synthetic.py'

model = _base_.exact

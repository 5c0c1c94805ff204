_base_ = './agw_r50_64-81e_sysu.py'

model = _base_.exact

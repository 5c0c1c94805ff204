_base_ = './agw_r50_64-81e_regdb.py'

model = _base_.exact

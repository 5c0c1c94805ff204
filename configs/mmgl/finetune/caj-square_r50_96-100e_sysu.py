# The loss of the published command (--square 1) with stable weights.
_base_ = './caj_r50_96-100e_sysu.py'

model = dict(
    heads=dict(
        triplet=dict(loss=dict(type='EnhancedSquaredDifferenceLoss'))))

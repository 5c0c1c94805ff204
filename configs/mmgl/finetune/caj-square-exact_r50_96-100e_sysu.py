# The squared difference of CAJ with weights that sum to 1 at any distance.
_base_ = './caj_r50_96-100e_sysu.py'

model = dict(heads=dict(triplet=dict(loss=dict(published=False))))

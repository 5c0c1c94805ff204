# The loss of agw-exact (--square 0 with exact weights): no plateau at 88.
_base_ = './caj_r50_96-100e_sysu.py'

model = _base_.exact

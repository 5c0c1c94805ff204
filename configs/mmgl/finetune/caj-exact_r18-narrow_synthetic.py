# The loss of agw-exact (--square 0 with exact weights): no plateau at 88.
_base_ = './caj_r18-narrow_synthetic.py'

model = _base_.exact

# The loss of agw-exact (--square 0 with exact weights): no plateau at 88.
_base_ = './caj_r50_96-100e_regdb.py'

model = dict(
    heads=dict(
        triplet=dict(
            loss=dict(
                _delete_=True, type='WeightedRegularizedTripletLoss'))))

# The loss of agw-exact (--square 0 with exact weights): no plateau at 88.
_base_ = './caj_r18-narrow_synthetic.py'

model = dict(
    heads=dict(
        triplet=dict(
            loss=dict(
                _delete_=True, type='WeightedRegularizedTripletLoss'))))

# Weights that sum to 1 at any distance, and a loss that does not overflow.
_base_ = './agw_r50_64-81e_regdb.py'

model = dict(
    heads=dict(
        triplet=dict(
            loss=dict(
                _delete_=True, type='WeightedRegularizedTripletLoss'))))

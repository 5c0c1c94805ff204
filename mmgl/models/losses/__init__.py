from .batch_hard_triplet import BatchHardTripletLoss
from .identity_cross_entropy import IdentityCrossEntropyLoss
from .part_cycle_contrastive import PartCycleContrastiveLoss
from .permutation_reconstruction import PermutationReconstructionLoss
from .weighted_regularized_triplet import WeightedRegularizedTripletLoss

__all__ = [
    'BatchHardTripletLoss', 'IdentityCrossEntropyLoss',
    'PartCycleContrastiveLoss', 'PermutationReconstructionLoss',
    'WeightedRegularizedTripletLoss'
]

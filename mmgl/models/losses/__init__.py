from .batch_hard_triplet import BatchHardTripletLoss
from .center_cluster import CenterClusterLoss
from .cross_modality_contrastive import CrossModalityContrastiveLoss
from .enhanced_squared_difference import EnhancedSquaredDifferenceLoss
from .global_swav import GlobalSwAVLoss
from .identity_cross_entropy import IdentityCrossEntropyLoss
from .part_cycle_contrastive import PartCycleContrastiveLoss
from .pattern_separation import PatternSeparationLoss
from .permutation_reconstruction import PermutationReconstructionLoss
from .ranked_list import RankedListLoss
from .view_consistency import ViewConsistencyLoss
from .weighted_regularized_triplet import WeightedRegularizedTripletLoss

__all__ = [
    'BatchHardTripletLoss',
    'CenterClusterLoss',
    'CrossModalityContrastiveLoss',
    'EnhancedSquaredDifferenceLoss',
    'GlobalSwAVLoss',
    'IdentityCrossEntropyLoss',
    'PartCycleContrastiveLoss',
    'PatternSeparationLoss',
    'PermutationReconstructionLoss',
    'RankedListLoss',
    'ViewConsistencyLoss',
    'WeightedRegularizedTripletLoss',
]

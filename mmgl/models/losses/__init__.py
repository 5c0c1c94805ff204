"""Losses, one a file; their mathematics is in ``mmgl.models.functional``.

Unless a class says otherwise it is called as ``loss(features, pids,
modality)``, with features ``(n, d)`` of any length, identities ``(n,)`` and
modality numbers ``(n,)``, which may be missing. It computes in fp32 also under
autocast and returns a scalar, the mean over the local rows; when distributed
these meet the rows of all ranks. The order of the batch plays no role.
"""

from .batch_hard_triplet import BatchHardTripletLoss
from .center_cluster import CenterClusterLoss
from .cluster_contrastive import ClusterContrastiveLoss
from .cross_modality_contrastive import CrossModalityContrastiveLoss
from .diverse_embedding import DiverseEmbeddingLoss
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
    'DiverseEmbeddingLoss',
    'BatchHardTripletLoss',
    'CenterClusterLoss',
    'ClusterContrastiveLoss',
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

from .balanced_identity_sampler import BalancedIdentitySampler
from .base import EpochSampler
from .epoch_identity_sampler import EpochIdentitySampler
from .identity_sampler import IdentitySampler
from .pair_sampler import CrossModalPairSampler

__all__ = [
    'BalancedIdentitySampler',
    'CrossModalPairSampler',
    'EpochIdentitySampler',
    'EpochSampler',
    'IdentitySampler',
]

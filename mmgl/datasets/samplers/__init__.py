from .base import EpochSampler
from .identity_sampler import IdentitySampler
from .pair_sampler import CrossModalPairSampler

__all__ = ['CrossModalPairSampler', 'EpochSampler', 'IdentitySampler']

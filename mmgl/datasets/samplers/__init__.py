from .base import EpochSampler
from .identity_sampler import IdentitySampler
from .pair_samplers import CrossModalPairSampler, StreamSampler

__all__ = [
    'CrossModalPairSampler',
    'EpochSampler',
    'IdentitySampler',
    'StreamSampler',
]

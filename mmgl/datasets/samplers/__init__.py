from .base import EpochSampler
from .identity_sampler import IdentitySampler
from .pair_sampler import CrossModalPairSampler
from .stream_sampler import StreamSampler

__all__ = [
    'CrossModalPairSampler',
    'EpochSampler',
    'IdentitySampler',
    'StreamSampler',
]

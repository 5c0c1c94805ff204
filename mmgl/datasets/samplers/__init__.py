from .base import EpochSampler
from .identity_sampler import IdentitySampler
from .pair_samplers import CrossModalPairSampler, StreamSampler
from .pseudo_label_sampler import PseudoLabelSampler

__all__ = [
    'CrossModalPairSampler',
    'EpochSampler',
    'IdentitySampler',
    'PseudoLabelSampler',
    'StreamSampler',
]

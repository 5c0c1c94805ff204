from .base import EpochSampler
from .identity_sampler import IdentitySampler
from .pair_sampler import CrossModalPairSampler
from .pseudo_label_sampler import PseudoLabelSampler
from .stream_sampler import StreamSampler

__all__ = [
    'CrossModalPairSampler',
    'EpochSampler',
    'IdentitySampler',
    'PseudoLabelSampler',
    'StreamSampler',
]

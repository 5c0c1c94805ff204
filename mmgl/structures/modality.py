"""Modalities of a batch, on the device and as the host knows them."""

from collections.abc import Mapping

from torch import Tensor

from mmgl.protocols.modality import INFRARED, MODALITY_NAMES, VISIBLE

__all__ = [
    'HOST_MODALITY',
    'INFRARED',
    'MODALITY_NAMES',
    'VISIBLE',
    'routing_modality',
]

# Target with the modality as the host knows it, beside the one on the device.
HOST_MODALITY = 'host_modality'


def routing_modality(targets: Mapping[str, Tensor]) -> Tensor:
    """Pick the modality numbers ``(B,)`` that choose the stems of images.

    They must be known on the host, and reading a device would wait for it: so
    ``host_modality``, which the preprocessors set, and ``modality`` without.
    """
    return targets.get(HOST_MODALITY, targets['modality'])

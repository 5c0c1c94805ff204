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

    How many images go where must be known on the host. Reading it off a
    device would wait for all that the device still has to do. So this is
    ``host_modality``, which the preprocessors of this package set, and
    ``modality`` only without it.
    """
    return targets.get(HOST_MODALITY, targets['modality'])

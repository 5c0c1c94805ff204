"""Modalities of a batch, on the device and as the host knows them."""

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


def routing_modality(targets):
    """Pick the modality numbers that images are sent to their stems by.

    How many images go where must be known on the host. Reading it off a
    device would wait for all that the device still has to do.

    Args:
        targets (dict[str, Tensor]): ``modality`` ``(B,)`` and, from a
            preprocessor of this package, the same as ``host_modality``.

    Returns:
        Tensor: The numbers ``(B,)``, on the host if they are there.
    """
    return targets.get(HOST_MODALITY, targets['modality'])

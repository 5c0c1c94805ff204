"""Which images of a batch go through which part of a network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmgl.structures.modality import INFRARED, VISIBLE

from ..functional.memory_order import reorder_rows


def check_modality(owner: object, x: Tensor, modality: Tensor) -> None:
    """Check that there is one modality number for each image."""
    if not isinstance(modality, Tensor) or modality.is_floating_point():
        raise TypeError(
            f'{type(owner).__name__} needs modality as a tensor of whole '
            f'numbers (0 visible, 1 infrared), got {modality!r}'
        )
    if modality.shape != x.shape[:1] or len(x) == 0:
        raise ValueError(
            f'{type(owner).__name__} needs one modality number for each '
            f'image of a non-empty batch, got images {tuple(x.shape)} '
            f'and modality {tuple(modality.shape)}'
        )


def modality_indices(
    modality: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Places of the visible and of the infrared images in the batch.

    A modality on the host costs no synchronisation with the device.
    """
    modality = modality.cpu().long()
    visible = (modality == VISIBLE).nonzero().flatten()
    infrared = (modality == INFRARED).nonzero().flatten()
    if len(visible) + len(infrared) != len(modality):
        raise ValueError(
            'modality must be 0 (visible) or 1 (infrared), got '
            f'{sorted(set(modality.tolist()))}'
        )
    return (
        visible.to(device, non_blocking=True),
        infrared.to(device, non_blocking=True),
    )


def route(
    parts: Sequence[nn.Module], rows: Sequence[Tensor], x: Tensor
) -> Tensor:
    """Run each image of a batch through the part that has its row.

    A part without images is not run: its statistics stay and its parameters
    get no gradient.
    """
    for part, own in zip(parts, rows, strict=True):
        if len(own) == len(x):
            x = part(x)
            return x
    order = torch.cat(tuple(rows))
    sizes = [len(own) for own in rows]
    pieces = torch.split(reorder_rows(x, order), sizes)
    routed = [part(piece) for part, piece in zip(parts, pieces, strict=True)]
    return reorder_rows(torch.cat(routed), order.argsort())

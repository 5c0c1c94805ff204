"""The images of a batch apart by modality, and together again.

``rows`` are the places of the visible and of the infrared images.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from mmgl.protocols.modality import INFRARED, VISIBLE

from .gather import all_gather_no_grad, all_gather_with_grad, first_row
from .memory_order import reorder_rows

# A tensor of the visible images, and one of the infrared ones.
Groups: TypeAlias = tuple[Tensor, ...]


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


def split_rows(x: Tensor, rows: Sequence[Tensor]) -> Groups:
    """Take a batch apart into the rows of each modality."""
    order = torch.cat(tuple(rows))
    return torch.split(reorder_rows(x, order), [len(own) for own in rows])


def join_rows(parts: Sequence[Tensor], rows: Sequence[Tensor]) -> Tensor:
    """Undo :func:`split_rows`."""
    order = torch.cat(tuple(rows))
    return reorder_rows(torch.cat(tuple(parts)), order.argsort())


class ModalityGroups:
    """Images of this rank and of all ranks, apart by modality.

    A modality ``(B,)`` on the host costs no synchronisation with the device.
    """

    def __init__(self, modality: Tensor, device: torch.device) -> None:
        modality = modality.cpu()
        everyone = all_gather_no_grad(modality)
        self.alone = len(everyone) == len(modality)
        self.own = modality_indices(modality, device)
        self.all = self.own
        if not self.alone:
            self.all = modality_indices(everyone, device)
        self.first = first_row(len(modality))

    def split(self, x: Tensor) -> Groups:
        """Groups of this rank from its batch."""
        return split_rows(x, self.own)

    def gather(self, groups: Groups) -> Groups:
        """Groups of all ranks from those of this rank, with gradient."""
        if self.alone:
            return groups
        joined = join_rows(groups, self.own)
        return split_rows(all_gather_with_grad(joined), self.all)

    def places(self) -> Groups:
        """Where the images of this rank are in the groups of all ranks."""
        return tuple(
            torch.searchsorted(everyone, own + self.first)
            for own, everyone in zip(self.own, self.all, strict=True)
        )


def side_by_side(*columns: Groups) -> list[tuple[Tensor, ...]]:
    """Both modalities ``(2, n, ...)`` at once, or each as ``(1, n, ...)``.

    At once on a device, where launches take the time, if all columns have as
    many rows of both; in turn on a processor, for the sake of its caches.
    """
    even = all(len(one) == len(other) for one, other in columns)
    if even and not on_processor(columns[0][0]):
        return [tuple(torch.stack(pair) for pair in columns)]
    return [tuple(x[None] for x in row) for row in zip(*columns, strict=True)]


def on_processor(x: Tensor) -> bool:
    """Whether a tensor is in the memory of the host."""
    return x.device.type == 'cpu'

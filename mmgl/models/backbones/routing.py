"""Which images of a batch go through which part of a network."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..functional.modality_groups import join_rows, split_rows


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
    pieces = split_rows(x, rows)
    routed = [part(piece) for part, piece in zip(parts, pieces, strict=True)]
    return join_rows(routed, rows)

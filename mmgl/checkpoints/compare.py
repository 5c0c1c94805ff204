"""What differs between tensors and a model's, in words."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor


def some_names(names: Collection[str], limit: int = 8) -> str:
    """List names in a message, cut where they get many."""
    rest = len(names) - limit
    text = ', '.join(list(names)[:limit])
    return f'{text}, ... and {rest} more' if rest > 0 else text


def misfit(
    state: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    missing: Collection[str] | None = None,
    extra: Collection[str] | None = None,
    place: str = '',
) -> str:
    """Describe all that does not fit; nothing if everything does.

    ``missing`` and ``extra`` are names, by default all that only one side
    has; extra ones have no place in ``place``.
    """
    if missing is None:
        missing = [name for name in expected if name not in state]
    if extra is None:
        extra = [name for name in state if name not in expected]
    both = {k: (state[k], v) for k, v in expected.items() if k in state}
    reshaped = [
        f'{name} {tuple(got.shape)} instead of {tuple(want.shape)}'
        for name, (got, want) in both.items()
        if got.shape != want.shape
    ]
    retyped = [
        f'{name} {got.dtype} instead of {want.dtype}'
        for name, (got, want) in both.items()
        if _kind(got) != _kind(want)
    ]
    return '; '.join(
        f'{len(names)} {what}: {some_names(names)}'
        for what, names in (
            ('missing', missing),
            ('of another shape', reshaped),
            ('of another type', retyped),
            (f'without a place{place}', extra),
        )
        if names
    )


def infinite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Name the tensors with NaN or Inf."""
    return [k for k, v in tensors.items() if not torch.isfinite(v).all()]


def _kind(tensor: Tensor) -> tuple[bool, bool, bool]:
    """Precisions of one kind of number may be mixed."""
    kind = tensor.dtype
    return kind.is_floating_point, kind.is_complex, kind is torch.bool

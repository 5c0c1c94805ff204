"""What differs between tensors and a model's, in words."""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from mmgl.utils.errors import ConfigError


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


def renamed(
    state: Mapping[str, Tensor], rename: Callable[[str], str], what: str
) -> dict[str, Tensor]:
    """Rename tensors; a ConfigError if two of ``what`` get one name."""
    result = {rename(name): value for name, value in state.items()}
    if len(result) < len(state):
        names = list(map(rename, state))
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ConfigError(
            f'{what} has two tensors each for {some_names(twice)}, with and '
            'without the prefix of a wrapper (module.); keep one of them'
        )
    return result


def infinite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Name the tensors with NaN or Inf."""
    return [
        name
        for name, value in tensors.items()
        # Not all kinds of eight bits can be asked.
        if not torch.isfinite(
            value.float() if value.is_floating_point() else value
        ).all()
    ]


def check_finite(state: Mapping[str, Tensor], what: str) -> None:
    """Refuse tensors with NaN or Inf, by a ConfigError."""
    if names := infinite(state):
        raise ConfigError(
            f'{what} has NaN or Inf in {len(names)} of its '
            f'{len(state)} tensors, take an earlier one: {some_names(names)}'
        )


def _kind(tensor: Tensor) -> tuple[bool, bool, bool]:
    """Precisions of one kind of number may be mixed."""
    kind = tensor.dtype
    return kind.is_floating_point, kind.is_complex, kind is torch.bool

"""What differs between tensors and a model's, by name and shape."""

from collections.abc import Collection, Mapping

from torch import Tensor


def some_names(names: Collection[str], limit: int = 8) -> str:
    """List names in a message, cut where they get many."""
    rest = len(names) - limit
    text = ', '.join(list(names)[:limit])
    return f'{text}, ... and {rest} more' if rest > 0 else text


def reshaped(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> list[str]:
    """Describe the tensors that are there in another shape."""
    return [
        f'{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}'
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]


def misfit(
    missing: Collection[str],
    wrong: Collection[str],
    extra: Collection[str],
    place: str = '',
) -> str:
    """Describe all that does not fit; nothing if everything does."""
    return '; '.join(
        f'{len(names)} {what}: {some_names(names)}'
        for what, names in (
            ('missing', missing),
            ('of another shape', wrong),
            (f'without a place{place}', extra),
        )
        if names
    )

"""Which features of the neck a head works on, and how much each counts."""

from collections.abc import Mapping
from typing import Any


def feature_weights(owner: str, feature: Any) -> dict[str, float]:
    """Name and weight of each feature that a ``feature`` argument names.

    It is a name, or a mapping of names and weights; messages name ``owner``.
    """
    if isinstance(feature, str):
        return {feature: 1.0}
    if not isinstance(feature, Mapping):
        raise TypeError(
            f'{owner}.feature must be a name or a dict of names '
            f'and weights, got {feature!r}'
        )
    if not feature:
        raise ValueError(f'{owner}.feature is empty; name a feature')
    return dict(feature)


def loss_key(name: str, features: Mapping[str, float]) -> str:
    """Log name of the loss of one of the features of a head."""
    return 'loss' if len(features) == 1 else f'loss_{name}'

"""Which features of the neck a head works on, and how much each counts."""

from collections.abc import Mapping


def feature_weights(
    owner: str, feature: str | Mapping[str, float]
) -> dict[str, float]:
    """Bring the ``feature`` argument of a head into one form.

    Args:
        owner: Class named in messages.
        feature: Name of one feature, or name and weight of several.

    Returns:
        Name and weight of each feature, in order.

    Raises:
        ValueError: If there is none.
        TypeError: If it is neither a name nor a mapping.
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
    """Log name of the loss of one feature.

    Args:
        name: Feature.
        features: All features of the head.

    Returns:
        'loss' if there is one feature only, else 'loss_NAME'.
    """
    return 'loss' if len(features) == 1 else f'loss_{name}'

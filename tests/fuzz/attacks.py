"""All attacks; importing them registers them."""

from . import (  # noqa: F401
    checkpoints,
    commands,
    features,
    images,
    settings,
    splits,
    stores,
)
from .cases import ATTACKS

__all__ = ['ATTACKS']

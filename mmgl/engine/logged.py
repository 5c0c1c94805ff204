"""Values that a training step logs by name."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch

T = TypeVar('T')
# What a hook gets of a step, by name.
Outputs = Mapping[str, Any] | None


def losses_of(outputs: Mapping[str, T]) -> dict[str, T]:
    """Keep the losses, by their names as mmengine does; 'loss' is the sum."""
    return {name: v for name, v in outputs.items() if 'loss' in name}


def to_float(value: Any) -> float:
    """Return a number or tensor as a float; the mean if it has several."""
    if isinstance(value, torch.Tensor):
        return float(value.detach().float().mean())
    return float(value)

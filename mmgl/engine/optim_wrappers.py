"""Optimizer wrappers beside mmengine's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.amp.autocast_mode import is_autocast_available

from mmgl.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):  # type: ignore[misc]
    """Mixed precision by bfloat16 autocast, without a loss scale.

    ``AmpOptimWrapper`` does the same only where there is a GPU, and always
    with a loss scale, which bfloat16, with the range of float32, does not
    need. Weights, gradients and checkpoints stay in float32. ``device_type``
    is by default that of the model; the rest is for ``OptimWrapper``.
    """

    def __init__(self, device_type: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if device_type is not None and not _has_autocast(device_type):
            raise ValueError(
                f'optim_wrapper.device_type={device_type!r} has no mixed '
                "precision; set it to 'cpu' or 'cuda', or leave it out"
            )
        self.device_type = device_type

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast, and skip gradient exchange while accumulating."""
        device_type = self.device_type or next(model.parameters()).device.type
        with (
            super().optim_context(model),
            torch.autocast(device_type, dtype=torch.bfloat16),
        ):
            yield


def _has_autocast(device_type: str) -> bool:
    try:
        return is_autocast_available(device_type)
    except RuntimeError:
        return False  # no type of device at all

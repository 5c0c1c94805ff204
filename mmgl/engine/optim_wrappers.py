"""Optimizer wrappers beside mmengine's."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmgl.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Mixed precision by bfloat16 autocast, without a loss scale.

    ``AmpOptimWrapper`` does the same only where there is a GPU, and always
    with a loss scale, see ``select_amp_wrapper`` in ``mmgl/utils/compat.py``.
    bfloat16 has the range of float32, so gradients need no scaling. Weights,
    gradients and checkpoints stay in float32.

    Args:
        device_type: Device type as in ``torch.autocast``, 'cpu' or 'cuda';
            by default that of the model.
        **kwargs: Arguments of :class:`mmengine.optim.OptimWrapper`.

    Raises:
        ValueError: If there is no autocast for ``device_type``.
    """

    def __init__(self, device_type: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        if device_type is not None and not _has_autocast(device_type):
            raise ValueError(
                f'optim_wrapper.device_type={device_type!r} has no mixed '
                "precision; set it to 'cpu' or 'cuda', or leave it out"
            )
        self.device_type = device_type

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast, and skip gradient exchange while accumulating.

        Args:
            model: The model of the step.
        """
        device_type = self.device_type or next(model.parameters()).device.type
        with (
            super().optim_context(model),
            torch.autocast(device_type, dtype=torch.bfloat16),
        ):
            yield


def _has_autocast(device_type: str) -> bool:
    """Tell whether torch knows mixed precision on a type of device."""
    try:
        return torch.amp.is_autocast_available(device_type)
    except RuntimeError:
        return False  # no type of device at all

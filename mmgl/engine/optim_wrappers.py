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

    Stands in for ``AmpOptimWrapper`` where there is no GPU, see
    ``select_amp_wrapper`` in ``mmgl/utils/compat.py``. bfloat16 has the
    range of float32, so gradients need no scaling.

    Args:
        device_type: Device type as in ``torch.autocast``.
        **kwargs: Arguments of :class:`mmengine.optim.OptimWrapper`.
    """

    def __init__(self, device_type: str = 'cpu', **kwargs) -> None:
        super().__init__(**kwargs)
        self.device_type = device_type

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast, and skip gradient exchange while accumulating.

        Args:
            model: The model of the step.
        """
        with super().optim_context(model), torch.autocast(
                self.device_type, dtype=torch.bfloat16):
            yield

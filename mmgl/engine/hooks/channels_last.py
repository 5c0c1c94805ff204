"""The order in which convolutions keep their numbers in memory."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmgl.engine.bare_model import backbone_copies
from mmgl.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):  # type: ignore[misc]
    """Let the backbone work with the channels last in memory.

    The tensor cores of GPUs want the channels of a place side by side, or
    every half-precision convolution reorders its maps twice. From such weights
    all maps follow. Shapes and names stay, so checkpoints go from runs with
    the hook to runs without it and back. Copies of the backbone, such as
    BYOL's target, are treated alike, and so is the state of the optimizer,
    for its steps over all weights at once.
    """

    def before_train(self, runner: Runner) -> None:
        """Reorder; weights and optimizer are loaded by now."""
        backbone: Any  # the types of Module.to lack memory_format
        for backbone in backbone_copies(runner, self):
            backbone.to(memory_format=torch.channels_last)
        for weight, state in runner.optim_wrapper.optimizer.state.items():
            _follow(weight, state)


def _follow(weight: Tensor, state: dict[str, Any]) -> None:
    """Give the values that an optimizer keeps the order of their weight."""
    for name, value in state.items():
        if (
            isinstance(value, Tensor)
            and value.shape == weight.shape
            and value.stride() != weight.stride()
        ):
            reordered = torch.empty_like(weight, dtype=value.dtype)
            state[name] = reordered.copy_(value)

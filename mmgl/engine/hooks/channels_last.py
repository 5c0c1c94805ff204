"""The order in which convolutions keep their numbers in memory."""

import torch
from mmengine.hooks import Hook
from torch import Tensor, nn

from mmgl.engine.bare_model import bare_backbone, bare_model
from mmgl.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Let the backbone work with the channels last in memory.

    The tensor cores of GPUs want the channels of a place side by side; with
    the images' own order every half-precision convolution reorders its maps
    twice. From convolutions with such weights all maps follow. Shapes, and
    names in checkpoints, stay what they are, so checkpoints go from runs with
    the hook to runs without it and back. Copies of the backbone, such as
    BYOL's target, are treated alike, and so is the state of the optimizer,
    for its steps over all weights at once.
    """

    def before_train(self, runner) -> None:
        """Reorder; weights and optimizer are loaded by now.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If the model has no ``backbone``.
        """
        backbone = bare_backbone(runner, type(self).__name__)
        for module in bare_model(runner).modules():
            if isinstance(module, type(backbone)):
                module.to(memory_format=torch.channels_last)
        for weight, state in runner.optim_wrapper.optimizer.state.items():
            _follow(weight, state)


def _follow(weight: nn.Parameter, state: dict) -> None:
    """Give the values that an optimizer keeps the order of their weight."""
    for name, value in state.items():
        if (
            isinstance(value, Tensor)
            and value.shape == weight.shape
            and (value.stride() != weight.stride())
        ):
            state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(
                value
            )

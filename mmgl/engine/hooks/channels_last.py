"""The order in which convolutions keep their numbers in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

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

    What exchanges gradients between processes keeps the order that weights
    have when it is built, and would mix them up in another one. So
    ``ReIDRunner`` reorders the weights of such a training before.
    """

    def reorder(self, runner: Runner) -> None:
        """Reorder the weights."""
        backbone: Any  # the types of Module.to lack memory_format
        for backbone in backbone_copies(runner, self):
            backbone.to(memory_format=torch.channels_last)

    def before_train(self, runner: Runner) -> None:
        """Reorder; weights and optimizer are loaded by now.

        Raises:
            ValueError: If gradients are exchanged in another order.
        """
        if not is_model_wrapper(runner.model):
            self.reorder(runner)
        elif not all(
            _is_last(weight)
            for backbone in backbone_copies(runner, self)
            for weight in backbone.parameters()
        ):
            raise ValueError(
                'ChannelsLastHook: the model was wrapped for distributed '
                'training before it was reordered; set runner_type to '
                "'ReIDRunner'"
            )
        for weight, state in runner.optim_wrapper.optimizer.state.items():
            _follow(weight, state)


def keeps_channels_last(config: Mapping[str, Any]) -> bool:
    """Tell whether a config has the hook."""
    hooks = [
        *(config.get('default_hooks') or {}).values(),
        *(config.get('custom_hooks') or ()),
    ]
    kinds = [one.get('type') for one in hooks if isinstance(one, Mapping)]
    return any(
        kind is ChannelsLastHook or str(kind).endswith('ChannelsLastHook')
        for kind in kinds
    )


@contextmanager
def in_usual_order(model: nn.Module) -> Iterator[None]:
    """Give weights the usual order while random numbers fill them in turn."""
    kept = [(weight, weight.data) for weight in model.parameters()]
    for weight, data in kept:
        weight.data = data.contiguous()
    try:
        yield
    finally:
        for weight, data in kept:
            weight.data = data.copy_(weight.data)


def _is_last(weight: Tensor) -> bool:
    """Tell whether a weight has its channels last, if it has places."""
    return weight.dim() != 4 or weight.is_contiguous(
        memory_format=torch.channels_last
    )


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

"""Optimizer wrappers beside mmengine's, and how optimizers step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available
from torch.optim import SGD, Optimizer

from mmgl.registry import OPTIM_WRAPPERS

# What a group of parameters has besides the settings of their step.
_NAMES = ('params', 'param_name')
_Group: TypeAlias = dict[str, Any]


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


def step_together(optimizer: Optimizer) -> None:
    """Let an optimizer step over all parameters of equal settings at once.

    With ``paramwise_cfg`` mmengine makes a group of every parameter, and
    torch launches the kernels of each group for themselves: of AGW a
    thousand in a step. Between steps the groups are what they were, for
    schedules and checkpoints.
    """
    apart: list[list[_Group]] = []
    together: list[tuple[_Group, list[_Group]]] = []

    def merge(self: Optimizer, *_: Any) -> None:
        together.clear()
        for group in self.param_groups:
            settings = {k: v for k, v in group.items() if k not in _NAMES}
            alike = next((g for s, g in together if s == settings), None)
            if alike is None:
                together.append((settings, alike := []))
            alike.append(group)
        apart.append(self.param_groups)
        self.param_groups = []
        for settings, alike in together:
            weights = [p for one in alike for p in one['params']]
            if _can_fuse(self, settings, weights):
                settings['fused'] = True
            self.param_groups.append({**settings, 'params': weights})

    def part(self: Optimizer, *_: Any) -> None:
        merged, self.param_groups = self.param_groups, apart.pop()
        for one, (settings, alike) in zip(merged, together, strict=True):
            # Some optimizers count in their groups.
            counted = {k: one[k] for k, v in settings.items() if one[k] != v}
            for group in alike if counted else ():
                group.update(counted)

    # Those of configs take three milliseconds to look at.
    optimizer.param_groups = [dict(one) for one in optimizer.param_groups]
    optimizer.register_step_pre_hook(merge)
    optimizer.register_step_post_hook(part)


def _can_fuse(
    optimizer: Optimizer, settings: _Group, weights: list[nn.Parameter]
) -> bool:
    """Tell whether SGD can make one pass of its step, a third of the time.

    On a processor that pass takes numbers as they lie in memory, and would
    mix up those of a weight and of a gradient in another order.
    """
    if not isinstance(optimizer, SGD) or settings.get('differentiable'):
        return False
    if any(settings.get(how) is not None for how in ('fused', 'foreach')):
        return False
    weights = [one for one in weights if one.grad is not None]
    momenta = [optimizer.state[one].get('momentum_buffer') for one in weights]
    return len({one is None for one in momenta}) < 2 and all(
        weight.device.type in ('cpu', 'cuda')
        and _lie_alike(weight, weight.grad)
        and _lie_alike(weight, momentum)
        for weight, momentum in zip(weights, momenta, strict=True)
    )


def _lie_alike(weight: Tensor, other: Tensor | None) -> bool:
    """Tell whether two tensors have the same order, if there are two."""
    if other is None or weight.stride() == other.stride():
        return True
    strides = zip(weight.shape, weight.stride(), other.stride(), strict=True)
    return all(one == two for size, one, two in strides if size > 1)

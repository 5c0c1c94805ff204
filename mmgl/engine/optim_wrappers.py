"""Optimizer wrappers beside mmengine's, and how optimizers step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available
from torch.optim import SGD, Optimizer
from torch.optim.sgd import sgd

from mmgl.registry import OPTIM_WRAPPERS

# What a group of parameters has besides the settings of their step.
_NAMES = ('params', 'param_name')
_SGD = 'lr', 'momentum', 'dampening', 'nesterov', 'weight_decay', 'maximize'
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

    def merge(self: Optimizer, args: Any, kwargs: dict[str, Any]) -> None:
        together.clear()
        # A closure has the gradients yet to come.
        ready = len(args) == 1 and not any(kwargs.values())
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
            if ready and _step_in_one_pass(self, settings, weights):
                weights = []
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


def _step_in_one_pass(
    optimizer: Optimizer, settings: _Group, weights: list[nn.Parameter]
) -> bool:
    """Do the step of SGD in one pass, a third of the time, where it can be.

    On a processor that pass takes numbers as they lie in memory, and would
    mix up those of a weight and of a gradient in another order.
    """
    if type(optimizer) is not SGD or settings['differentiable']:
        return False
    if settings['fused'] is not None or settings['foreach'] is not None:
        return False
    weights = [one for one in weights if one.grad is not None]
    momenta = [optimizer.state[one].get('momentum_buffer') for one in weights]
    columns: Any = weights, [one.grad for one in weights], momenta
    if not all(map(_lie_alike, *columns)):
        return False
    views: Any = [[_as_it_lies(one) for one in own] for own in columns]
    how: Any = {**{name: settings[name] for name in _SGD}, 'fused': True}
    with torch.no_grad():
        sgd(*views, **how)
    return True


def _lie_alike(weight: Tensor, *others: Tensor | None) -> bool:
    """Tell whether all are there and have one order in memory."""
    return weight.device.type in ('cpu', 'cuda') and all(
        other is not None
        and (
            weight.stride() == other.stride()
            or _strides(weight) == _strides(other)
        )
        for other in others
    )


def _strides(x: Tensor) -> list[int]:
    """Those that count."""
    pairs = zip(x.shape, x.stride(), strict=True)
    return [stride for size, stride in pairs if size > 1]


def _as_it_lies(x: Tensor) -> Tensor:
    """View channels that are last in memory as last.

    On a processor torch copies a gradient that is not contiguous, and never
    looks at the copy.
    """
    if x.device.type == 'cpu' and x.ndim == 4 and not x.is_contiguous():
        return x.permute(0, 2, 3, 1)
    return x

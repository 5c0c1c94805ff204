"""Mixed precision for the backbone and nothing else."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.hooks import RemovableHandle

from mmgl.engine.bare_model import backbone_copies, bare_model
from mmgl.registry import HOOKS


@HOOKS.register_module()
class BackboneAutocastHook(Hook):  # type: ignore[misc]
    """Keep autocast to the backbone, so that heads work in fp32.

    With ``--amp`` mmengine runs a whole model under autocast, in which
    similarities, the optimal transport of SwAV (powers up to e^20) and the
    sums of Barlow Twins lose most of their digits. This hook leaves autocast
    when the model is called, and enters it again for each call of the
    backbone or of a copy of it, such as BYOL's target.

    The backbone must return fp32, as ``ModalityChannelBackbone`` does.
    """

    def __init__(self) -> None:
        self._handles: list[RemovableHandle] = []
        # Of the calls under way, outer ones first.
        self._contexts: list[torch.autocast] = []

    def before_train(self, runner: Runner) -> None:
        """Watch the calls of model and backbones."""
        backbones = backbone_copies(runner, self)
        self._watch(bare_model(runner), self._leave)
        for backbone in backbones:
            self._watch(backbone, self._enter)

    def after_train(self, runner: Runner) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _watch(self, module: nn.Module, before: Callable[..., None]) -> None:
        """Open a context before each call of a module and close it after."""
        self._handles += [
            module.register_forward_pre_hook(before),
            # After an error too.
            module.register_forward_hook(self._close, always_call=True),
        ]

    def _leave(self, model: nn.Module, args: object) -> None:
        """Leave autocast, and remember what it was."""
        device = next(model.parameters()).device.type
        self._outer = dict(
            device_type=device,
            dtype=torch.get_autocast_dtype(device),
            enabled=torch.is_autocast_enabled(device),
        )
        self._open(dict(self._outer, enabled=False))

    def _enter(self, backbone: nn.Module, args: object) -> None:
        """Enter what the model was called in."""
        self._open(self._outer)

    def _open(self, settings: dict[str, Any]) -> None:
        context: Any = torch.autocast(**settings)
        context.__enter__()
        self._contexts.append(context)

    def _close(self, *_: object) -> None:
        self._contexts.pop().__exit__(None, None, None)

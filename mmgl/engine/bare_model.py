"""The model behind the wrapper of distributed training, and its parts.

Errors speak in the name of the hook that needs the part, its ``user``.
"""

from collections.abc import Callable
from typing import TypeGuard, TypeVar

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

Part = TypeVar('Part')


def bare_model(runner: Runner) -> nn.Module:
    """Return the model that the config describes, without its wrapper."""
    model = runner.model
    bare: nn.Module = model.module if is_model_wrapper(model) else model
    return bare


def bare_backbone(runner: Runner, user: object) -> nn.Module:
    """Return the backbone of a Runner's model, or raise a ValueError."""
    backbone = getattr(bare_model(runner), 'backbone', None)
    if not isinstance(backbone, nn.Module):
        raise ValueError(
            f'{type(user).__name__}: the model has no backbone; remove the '
            'hook from custom_hooks, or set it to None in default_hooks'
        )
    return backbone


def backbone_copies(runner: Runner, user: object) -> list[nn.Module]:
    """Return the backbone and copies of it, such as BYOL's target."""
    kind = type(bare_backbone(runner, user))
    return [m for m in bare_model(runner).modules() if isinstance(m, kind)]


def part_at(
    runner: Runner,
    user: object,
    path: str,
    fits: Callable[[object], TypeGuard[Part]],
    words: str,
) -> Part:
    """Return the part at a dotted path below the model, which must fit.

    A ValueError says that the model has no such ``words``.
    """
    modules = dict(bare_model(runner).named_modules())
    part = modules.get(path)
    if not fits(part):
        others = [name for name, module in modules.items() if fits(module)]
        raise ValueError(
            f'{type(user).__name__}: the model has no {words}, only '
            f'{others}; correct custom_hooks or remove the hook.'
        )
    return part

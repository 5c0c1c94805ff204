"""The model behind the wrapper of distributed training, and its parts.

Errors speak in the name of the hook that needs the part, its ``user``.
"""

from typing import TypeVar

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
            'hook from custom_hooks'
        )
    return backbone


def backbone_copies(runner: Runner, user: object) -> list[nn.Module]:
    """Return the backbone and copies of it, such as BYOL's target."""
    kind = type(bare_backbone(runner, user))
    return [m for m in bare_model(runner).modules() if isinstance(m, kind)]


def part_at(
    runner: Runner, user: object, path: str, kind: type[Part], words: str
) -> Part:
    """Return the part of a kind at a dotted path below the model.

    A ValueError says that the model has no such ``words``.
    """
    modules = dict(bare_model(runner).named_modules())
    part = modules.get(path)
    if not isinstance(part, kind):
        others = [name for name, m in modules.items() if isinstance(m, kind)]
        raise ValueError(
            f'{type(user).__name__}: the model has no {words}, only '
            f'{others}; correct custom_hooks or remove the hook.'
        )
    return part

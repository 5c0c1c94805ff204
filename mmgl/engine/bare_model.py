"""The model behind the wrapper of distributed training, and its backbone."""

from mmengine.model import is_model_wrapper
from torch import nn


def bare_model(runner) -> nn.Module:
    """Return the model of a Runner without its wrapper.

    Args:
        runner (Runner): The Runner.

    Returns:
        nn.Module: The model that the config describes.
    """
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def bare_backbone(runner, user: str) -> nn.Module:
    """Return the backbone of a Runner's model.

    Args:
        runner (Runner): The Runner.
        user (str): Name of the hook that needs it.

    Returns:
        nn.Module: The backbone.

    Raises:
        ValueError: If the model has no ``backbone``.
    """
    backbone = getattr(bare_model(runner), 'backbone', None)
    if not isinstance(backbone, nn.Module):
        raise ValueError(
            f'{user}: the model has no backbone; remove the '
            'hook from custom_hooks'
        )
    return backbone

"""The model behind the wrapper of distributed training."""

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

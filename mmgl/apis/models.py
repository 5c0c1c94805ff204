"""Configs and models by name."""

import copy
from pathlib import Path

from mmengine.config import Config
from torch import nn

from mmgl.checkpoints.whole import load_checkpoint
from mmgl.config.classes import leave_heads_out
from mmgl.config.loading import forget_init, load_config
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError


def get_config(name: str | Path) -> Config:
    """Load a config by its name in :func:`mmgl.list_configs`, or a file.

    Raises:
        ConfigError: If there is no such config, naming the nearest one.

    Example:
        >>> import mmgl
        >>> mmgl.get_config('agw_r18-narrow_synthetic').model.type
        'ReIDModel'
    """
    return load_config(name)


def build_model(
    config: str | Path | Config, checkpoint: str | Path | None = None
) -> nn.Module:
    """Build the model of a config, on the CPU in evaluation mode.

    Without a checkpoint of that config the weights are random: those that
    the config itself starts from are not loaded.

    Raises:
        ConfigError: If there is no such config or model, or the checkpoint
            does not fit; heads, which testing does not use, may differ.

    Example:
        >>> import mmgl
        >>> name = mmgl.list_configs('finetune/agw_r18-narrow*')[0]
        >>> model = mmgl.build_model(name)
        >>> model.training
        False
    """
    cfg = config if isinstance(config, Config) else load_config(config)
    if not cfg.get('model'):
        raise ConfigError(f'config {cfg.filename} has no model')
    # The config that was given stays as it is.
    cfg = copy.deepcopy(cfg)
    forget_init(cfg)
    leave_heads_out(cfg.model)
    with registry_scope():
        model: nn.Module = MODELS.build(cfg.model)
    if checkpoint is not None:
        load_checkpoint(model, checkpoint)
    return model.eval()

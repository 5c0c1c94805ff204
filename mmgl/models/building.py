"""Builds the parts of a model so that they fit each other."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mmgl.config.inert import check_types
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.errors import ConfigError, understood

from .heads.feature_weights import feature_weights
from .protocols import Head

Config = Mapping[str, Any]
# Numbers in the tensors of a model out of a file: 4 GB.
_MOST = 2**30


def build_inert(cfg: Config, source: str) -> Any:
    """Build a model, on the CPU, of settings that came out of a file.

    Raises:
        ConfigError: If they make no model, or one too large.
    """
    check_types(cfg, source)
    with understood(source), registry_scope():
        # Without memory, to see how much it takes.
        with torch.device('meta'):
            size = _size(MODELS.build(dict(cfg)))
        if size > _MOST:
            raise ConfigError(
                f'{source}: its settings make a model of {size:.1e} numbers, '
                'which is too large to be true'
            )
        return MODELS.build(dict(cfg))


def _size(model: nn.Module) -> int:
    return sum(value.numel() for value in model.state_dict().values())


def _parameters(key: str, cfg: Config) -> dict[str, inspect.Parameter]:
    """Constructor arguments of the class a config names."""
    part = cfg.get('type')
    if isinstance(part, str):
        part = MODELS.get(part)
    if not inspect.isclass(part):
        raise ValueError(
            f'{key}.type={cfg.get("type")!r} is not the name of '
            'a registered model part'
        )
    return dict(inspect.signature(part).parameters)


def build_part(key: str, cfg: Config, in_channels: int) -> Any:
    """Build a part with ``in_channels``, filled in where it is missing."""
    cfg = dict(cfg)
    if 'in_channels' in _parameters(key, cfg):
        given = cfg.setdefault('in_channels', in_channels)
        if given != in_channels:
            raise ValueError(
                f'{key}.in_channels={given}, but its input has '
                f'{in_channels} channels; correct or omit it'
            )
    return MODELS.build(cfg)


def build_head(name: str, cfg: Config, lengths: Mapping[str, int]) -> Any:
    """Build a head on features of some lengths, and check what it asks for."""
    key = f'model.heads.{name}'
    if 'loss' in name:
        raise ValueError(
            f"{key}: a head name must not contain 'loss', since all log "
            'entries that contain it are summed; rename the head'
        )
    parameters = _parameters(key, cfg)
    if 'feature_channels' in parameters:
        head = MODELS.build(dict(cfg, feature_channels=dict(lengths)))
    else:
        default = getattr(parameters.get('feature'), 'default', None)
        weights = feature_weights(key, cfg.get('feature', default))
        one_layer = 'in_channels' in parameters
        length = _length(key, list(weights), lengths, one_layer)
        head = build_part(key, cfg, length)
    if not isinstance(head, Head):
        raise ValueError(
            f'{key}.type={cfg["type"]!r} is no head: it lacks a method '
            'loss(features, targets)'
        )
    return head


def _length(
    key: str, names: list[str], lengths: Mapping[str, int], one_layer: bool
) -> int:
    """Length of the features a head asks for, which must exist and agree."""
    for name in names:
        if name not in lengths:
            raise ValueError(
                f'{key}.feature={name!r} is not a feature of '
                f'the neck, which has {list(lengths)}'
            )
    found = [lengths[name] for name in names]
    if len(set(found)) > 1 and one_layer:
        raise ValueError(
            f'{key}.feature: {names} have the lengths {found}; one layer '
            'needs one length'
        )
    return found[0]

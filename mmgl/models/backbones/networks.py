"""Networks of other packages, built with random weights."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import nn

from mmgl.checkpoints.compare import some_names
from mmgl.registry import MODELS
from mmgl.utils.errors import ConfigError, nearest, one_line

# Settings that would load weights past the checks of mmgl.checkpoints.
LOADING = ('pretrained', 'checkpoint_path', 'pretrained_cfg')


def build_network(cfg: Mapping[str, Any], stride_one: Sequence[str]) -> Any:
    """Build a network with random weights, and make strides 1."""
    loads = [key for key in LOADING if cfg.get(key)]
    # timm fetches names with a colon from elsewhere.
    if loads or "'Pretrained'" in str(cfg) or ':' in cfg.get('model_name', ''):
        raise ValueError(
            'AnyBackbone.network must not load weights itself '
            f'({loads or "init_cfg or model_name"}); give their file by '
            '--init imagenet --init-checkpoint FILE'
        )
    if 'type' not in cfg:
        raise ConfigError(
            'AnyBackbone.network has no type; name one such as '
            "'mmpretrain.ResNet'"
        )
    log = MMLogger.get_current_instance()
    # mmpretrain would write a paragraph about each tensor.
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        network: Any = MODELS.build(dict(cfg))
        on_meta = any(p.is_meta for p in network.parameters())
        if isinstance(network, BaseModule) and not on_meta:
            network.init_weights()
    except ImportError as error:
        raise ConfigError(
            f'AnyBackbone.network.type={cfg["type"]!r} needs a package that '
            f'is not there ({error}): pip install {error.name or "timm"}'
        ) from None
    except (AssertionError, KeyError, RuntimeError, TypeError) as error:
        raise ConfigError(
            f'AnyBackbone.network: {cfg["type"]} cannot be built '
            f'({one_line(error)}); correct its arguments'
        ) from error
    finally:
        log.setLevel(level)
    for name in stride_one:
        strided: list[Any] = [
            layer
            for layer in find_module(network, name, 'stride_one').modules()
            if getattr(layer, 'stride', 1) not in (1, (1, 1))
        ]
        if not strided:
            raise ValueError(
                f'AnyBackbone.stride_one: {name!r} has only strides of 1'
            )
        for layer in strided:
            layer.stride = 1 if isinstance(layer.stride, int) else (1, 1)
    return network


def find_module(network: nn.Module, name: str, key: str) -> nn.Module:
    """Find a module by its name; properties do not count."""
    modules: dict[str, nn.Module] = dict(network.named_modules())
    if name and name in modules:
        return modules[name]
    names = [one for one in modules if one and one.count('.') < 2]
    raise ValueError(
        f'AnyBackbone.{key}: {type(network).__name__} has no module '
        f'{name!r}{nearest(name, names)}; it has {some_names(names, 20)}'
    )

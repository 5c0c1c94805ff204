"""Optimizers and schedulers of a config, tried out before the run.

The Runner builds them when it has built all else and starts to train.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS, Registry
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from mmgl.utils.errors import ConfigError, nearest, one_line

_CLIPPING: dict[str, Callable[..., Any]] = {
    'norm': clip_grad_norm_,
    'value': clip_grad_value_,
}


def check_schedule(cfg: Mapping[str, Any]) -> None:
    """Build the optimizer of one parameter, and its schedulers.

    Raises:
        ConfigError: For what they refuse.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    settings = wrapper.get('optimizer')
    if wrapper and settings is None and 'constructor' not in wrapper:
        raise ConfigError('optim_wrapper has no optimizer')
    if not isinstance(settings, Mapping):
        return
    path = 'optim_wrapper.optimizer'
    parameters = [nn.Parameter(torch.zeros(1))]
    optimizer = _build(OPTIMIZERS, dict(settings, params=parameters), path)
    if wrapper.get('clip_grad'):
        _check_clipping(wrapper['clip_grad'], parameters)
    custom = (wrapper.get('paramwise_cfg') or {}).get('custom_keys') or {}
    # Other names are for hooks to read.
    known = {'lr_mult', 'decay_mult', *optimizer.defaults}
    for part, values in custom.items():
        for key in values.keys() - known:
            if hint := nearest(key, known, 0.75):
                raise ConfigError(
                    f'optim_wrapper.paramwise_cfg.custom_keys.{part}: '
                    f'nothing reads {key!r}{hint}'
                )
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, Mapping):
        schedulers = [schedulers] if 'type' in schedulers else []
    for number, one in enumerate(schedulers):
        values = {k: v for k, v in one.items() if k != 'convert_to_iter_based'}
        values['optimizer'] = optimizer
        _build(PARAM_SCHEDULERS, values, f'param_scheduler.{number}')


def _build(registry: Registry, settings: dict[str, Any], path: str) -> Any:
    """Build a component, or say why it refuses."""
    try:
        return registry.build(settings)
    except Exception as error:
        raise ConfigError(f'{path}: {one_line(error)}') from error


def _check_clipping(
    settings: Mapping[str, Any], parameters: list[nn.Parameter]
) -> None:
    """Clip gradients as the wrapper will, by norm or by value."""
    path, kind = 'optim_wrapper.clip_grad', settings.get('type', 'norm')
    if kind not in _CLIPPING:
        raise ConfigError(
            f'{path}.type must be {" or ".join(_CLIPPING)}, got {kind!r}'
        )
    parameters[0].grad = torch.zeros(1)
    values = {k: v for k, v in settings.items() if k != 'type'}
    try:
        _CLIPPING[kind](parameters, **values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f'{path}: {one_line(error)}') from error

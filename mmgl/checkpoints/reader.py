"""Read weight files without running code from them."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from mmgl.utils.errors import ConfigError

# A file, torchvision://resnetNN, or what was read from one.
Source: TypeAlias = str | Path | dict[str, Any]

TORCHVISION = 'torchvision://'
KEY = 'model.init_from.checkpoint'
OPTION = '--init-checkpoint'
# Tensors of a backbone inside ModalityChannelBackbone.
ADAPTED = 'backbone.network.'

# What a tensor in a pickle needs (storages are handled by torch itself).
_HARMLESS = {
    ('collections', 'OrderedDict'),
    ('torch', 'Size'),
    ('torch._utils', '_rebuild_tensor'),
    ('torch._utils', '_rebuild_tensor_v2'),
    ('torch._utils', '_rebuild_parameter'),
}


class _Inert(dict[Any, Any]):
    """Stands for any other object of a pickle; takes and keeps nothing."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __call__(self, *args: Any, **kwargs: Any) -> '_Inert':
        return _Inert()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Ignore an element."""

    extend = add = append


class _TensorUnpickler(pickle.Unpickler):
    """Unpickler that knows tensors and replaces everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _HARMLESS:
            return super().find_class(module, name)
        return _Inert


_TENSOR_PICKLE = SimpleNamespace(
    __name__='mmgl_tensor_pickle',
    Unpickler=_TensorUnpickler,
    load=lambda file, **kwargs: _TensorUnpickler(file, **kwargs).load(),
)


def read_file(path: str | Path) -> Any:
    """Read what a weight file holds onto the CPU; every reader calls this.

    Files of plain tensors are read with ``torch.load(weights_only=True)``.
    A training checkpoint of mmengine also holds message hub, configs and
    optimizer objects, which that refuses; there, everything that is not a
    tensor or a plain container is replaced by an empty placeholder instead
    of being built, so that no code named in the file ever runs.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If torch cannot read it; its message is in parentheses.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'no file {path}')
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception:
        # Not plain tensors, or no checkpoint at all: the next line tells
        # (a broken file makes torch raise errors of many types).
        pass
    try:
        return torch.load(
            path,
            map_location='cpu',
            weights_only=False,
            pickle_module=_TENSOR_PICKLE,
        )
    except Exception as error:
        raise ValueError(f'({type(error).__name__}: {error})') from error


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of this package: ``state_dict`` and ``meta``.

    Values of ``meta`` that are no plain data are placeholders.

    Raises:
        ConfigError: If there is no such file or it is no checkpoint.
    """
    try:
        loaded = read_file(path)
    except FileNotFoundError:
        raise ConfigError(
            f'checkpoint: there is no file {str(path)!r}'
        ) from None
    except ValueError as error:
        raise ConfigError(
            f'checkpoint {path} is damaged or no checkpoint {error}'
        ) from error
    if not isinstance(loaded, Mapping) or not _holds_tensors(
        loaded.get('state_dict')
    ):
        raise ConfigError(f'checkpoint {path} has no state_dict')
    return dict(loaded)


def read_state_dict(
    checkpoint: Source, containers: Sequence[str] = ('state_dict',)
) -> dict[str, Tensor]:
    """Read the state dict of any checkpoint onto the CPU.

    The first key of ``containers`` that there is names the inner dict,
    otherwise the outer one counts. A ``module.`` prefix of DDP is removed,
    and ``backbone.network.*`` of an adapter is named ``backbone.*``.

    Raises:
        FileNotFoundError: If the file is missing or the download fails.
        ValueError: If no checkpoint is named or it holds no tensors.
    """
    if isinstance(checkpoint, dict):
        loaded, source = checkpoint, 'the given dict'
    elif not checkpoint:
        raise ValueError(
            f'no checkpoint to initialise from: set {KEY} in the config or '
            f'{OPTION} PATH on the command line'
        )
    else:
        source = str(checkpoint)
        loaded = _read_source(source)
    if not isinstance(loaded, dict):
        raise ValueError(
            f'{KEY}: {source} holds a {type(loaded).__name__}, '
            'not a dict of tensors'
        )
    state = next((loaded[key] for key in containers if key in loaded), loaded)
    if not state or not _holds_tensors(state):
        raise ValueError(
            f'{KEY}: {source} has no state dict (names and tensors) at the '
            f'top level or under {" or ".join(map(repr, containers))}; found '
            f'{list(loaded)[:8]}'
        )
    return {_own_name(name): value.detach() for name, value in state.items()}


def read_network(checkpoint: Source, name: str) -> Source:
    """Read the part for one network of a backbone made of several.

    Its tensors are named as those of a backbone of one network; a checkpoint
    that is not of several networks is returned as it is.
    """
    prefix = f'backbone.networks.{name}.'
    part = {
        f'backbone.{tensor.removeprefix(prefix)}': value
        for tensor, value in read_state_dict(checkpoint).items()
        if tensor.startswith(prefix)
    }
    return part or checkpoint


def _holds_tensors(state: object) -> bool:
    return isinstance(state, dict) and all(
        isinstance(value, Tensor) for value in state.values()
    )


def _own_name(name: str) -> str:
    """Take the wrappers of a tensor out of its name."""
    name = name.removeprefix('module.')
    if name.startswith(ADAPTED):
        name = f'backbone.{name.removeprefix(ADAPTED)}'
    return name


def _read_source(source: str) -> Any:
    if source.startswith(TORCHVISION):
        return _read_torchvision(source)
    if '://' in source:
        raise ValueError(
            f'{KEY}: {source} is neither a file nor {TORCHVISION}resnetNN; '
            'download it first and give the path'
        )
    try:
        return read_file(source)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{KEY}: no file {source}; correct the key or pass {OPTION} PATH'
        ) from None
    except ValueError as error:
        raise ValueError(
            f'{KEY}: {source} is no readable torch checkpoint {error}'
        ) from error


def _read_torchvision(source: str) -> dict[str, Tensor]:
    """Fetch ImageNet weights by name through torchvision."""
    from torchvision.models import get_model_weights

    name = source.removeprefix(TORCHVISION)
    known = ('resnet18', 'resnet34', 'resnet50', 'resnet101')
    if name not in known:
        raise ValueError(f'{KEY}: {source}; torchvision:// knows {known}')
    weights = get_model_weights(name)['IMAGENET1K_V1']
    try:
        state: dict[str, Tensor] = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except OSError as error:
        raise FileNotFoundError(
            f'{KEY}: {source} is not in the cache of torch and could not be '
            f'downloaded ({error}). Download {weights.url} on a machine with '
            f'network and set {KEY} (or {OPTION}) to the file, or put it '
            f'into {torch.hub.get_dir()}/checkpoints.'
        ) from error
    return state

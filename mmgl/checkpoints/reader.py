"""Read tensors out of a checkpoint file without running code from it."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

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


class _Inert(dict):
    """Stands for any other object of a pickle; takes and keeps nothing."""

    __hash__ = object.__hash__

    def __init__(self, *args, **kwargs) -> None:
        super().__init__()

    def __call__(self, *args, **kwargs) -> '_Inert':
        return _Inert()

    def __setstate__(self, state) -> None:
        pass

    def __setitem__(self, key, value) -> None:
        pass

    def append(self, value) -> None:
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


def read_state_dict(
    checkpoint: str | Path | dict, containers: Sequence[str] = ('state_dict',)
) -> dict[str, Tensor]:
    """Read the state dict of a checkpoint onto the CPU.

    Files of plain tensors are read with ``torch.load(weights_only=True)``.
    A training checkpoint of mmengine also holds message hub, configs and
    optimizer objects, which that refuses; there, everything that is not a
    tensor or a plain container is replaced by an inert placeholder instead
    of being built, so that no code named in the file ever runs.

    Args:
        checkpoint: A file, ``torchvision://resnetNN`` (downloaded or taken
            from torch's cache), or an already loaded dict.
        containers: Keys of an inner dict, the first one of which is
            preferred over the outer dict.

    Returns:
        Names and tensors; a ``module.`` prefix of DDP is removed, and
        ``backbone.network.*`` of an adapter is named ``backbone.*``.

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
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(value, Tensor) for value in state.values())
    ):
        raise ValueError(
            f'{KEY}: {source} has no state dict (names and tensors) at the '
            f'top level or under {" or ".join(map(repr, containers))}; found '
            f'{list(loaded)[:8]}'
        )
    return {_own_name(name): value.detach() for name, value in state.items()}


def _own_name(name: str) -> str:
    """Take the wrappers of a tensor out of its name."""
    name = name.removeprefix('module.')
    if name.startswith(ADAPTED):
        name = f'backbone.{name.removeprefix(ADAPTED)}'
    return name


def read_network(
    checkpoint: str | Path | dict, name: str
) -> str | Path | dict:
    """Read the part for one network of a backbone made of several.

    Args:
        checkpoint: As for :func:`read_state_dict`.
        name: The network.

    Returns:
        Its tensors, named as those of a backbone of one network, from a
        checkpoint of several; any other checkpoint as it is.
    """
    prefix = f'backbone.networks.{name}.'
    part = {
        f'backbone.{tensor.removeprefix(prefix)}': value
        for tensor, value in read_state_dict(checkpoint).items()
        if tensor.startswith(prefix)
    }
    return part or checkpoint


def _read_source(source: str) -> Any:
    if source.startswith(TORCHVISION):
        return _read_torchvision(source)
    if '://' in source:
        raise ValueError(
            f'{KEY}: {source} is neither a file nor {TORCHVISION}resnetNN; '
            'download it first and give the path'
        )
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f'{KEY}: no file {source}; correct the key or pass {OPTION} PATH'
        )
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
        raise ValueError(
            f'{KEY}: {source} is no readable torch checkpoint '
            f'({type(error).__name__}: {error})'
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
        return weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except OSError as error:
        raise FileNotFoundError(
            f'{KEY}: {source} is not in the cache of torch and could not be '
            f'downloaded ({error}). Download {weights.url} on a machine with '
            f'network and set {KEY} (or {OPTION}) to the file, or put it '
            f'into {torch.hub.get_dir()}/checkpoints.'
        ) from error

"""Whether a checkpoint fits the model and the data it is used with."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.logging import print_log

from mmgl.utils.compat import load_from_local
from mmgl.utils.errors import ConfigError

# Key of a checkpoint's meta for the data set that it was trained on.
META_KEY = 'trained_on'
ALLOW_OPTION = '--allow-trial-mismatch'
# Not used in testing; a published checkpoint may lack them.
OPTIONAL_PREFIX = 'heads.'


def read_checkpoint(path: str | Path) -> dict:
    """Load a checkpoint onto the CPU.

    A file of plain data is loaded without running any code of it; only a
    checkpoint of a Runner, which holds more, is unpickled in full.

    Args:
        path: The file.

    Returns:
        The checkpoint, with at least ``state_dict``.

    Raises:
        ConfigError: If there is no such file or it is no checkpoint.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ConfigError(f'checkpoint: there is no file {str(path)!r}')
    try:
        try:
            loaded = torch.load(path, map_location='cpu', weights_only=True)
        except pickle.UnpicklingError:
            loaded = load_from_local(str(path), map_location='cpu')
    except Exception as error:
        raise ConfigError(
            f'checkpoint {path} is damaged or no checkpoint '
            f'({type(error).__name__}: {error})'
        ) from error
    if not isinstance(loaded, Mapping) or 'state_dict' not in loaded:
        raise ConfigError(f'checkpoint {path} has no state_dict')
    return loaded


def check_state(model: torch.nn.Module, state: Mapping, path: str) -> None:
    """Refuse weights that would leave tensors of a model untouched.

    mmengine loads what fits and only logs the rest.

    Args:
        model: The model, not wrapped.
        state: State dict of the checkpoint.
        path: The checkpoint, for the message.

    Raises:
        ConfigError: If a tensor outside ``heads.`` is missing or has another
            shape.
    """
    state = {k.removeprefix('module.'): v for k, v in state.items()}
    missing, reshaped, optional = [], [], []
    for name, value in model.state_dict().items():
        if name in state and state[name].shape == value.shape:
            continue
        if name.startswith(OPTIONAL_PREFIX):
            optional.append(name)
        elif name in state:
            reshaped.append(
                f'{name} {tuple(state[name].shape)} instead of '
                f'{tuple(value.shape)}'
            )
        else:
            missing.append(name)
    if missing or reshaped:
        parts = [
            f'{len(names)} {what} ({", ".join(names[:3])}'
            f'{", ..." if len(names) > 3 else ""})'
            for what, names in (
                ('missing', missing),
                ('of another shape', reshaped),
            )
            if names
        ]
        raise ConfigError(
            f'checkpoint {path} does not fit the model of the '
            f'config: tensors {"; ".join(parts)}'
        )
    if optional:
        print_log(
            f'{len(optional)} tensors of heads are not in {path}; testing '
            'does not use them',
            logger='current',
        )


def check_trial(
    meta: Mapping | None, metainfo: Mapping, path: str, allow: bool = False
) -> None:
    """Refuse a checkpoint that may have been trained on the test identities.

    The trials of RegDB divide the same persons differently.

    Args:
        meta: ``meta`` of the checkpoint.
        metainfo: Metainfo of the data set to test or train on.
        path: The checkpoint, for the message.
        allow: Only say so in the log.

    Raises:
        ConfigError: If data set and trial are known, the data sets are the
            same and the trials differ.
    """
    trained = (meta or {}).get(META_KEY) or {}
    here, there = metainfo.get('trial'), trained.get('trial')
    if here is None or there is None or here == there:
        return
    if trained.get('dataset') != metainfo.get('dataset'):
        return
    message = (
        f'checkpoint {path} was trained on trial {there} of '
        f'{metainfo.get("dataset")}, this is trial {here}, whose test '
        'identities it may have seen'
    )
    if not allow:
        raise ConfigError(f'{message}; use the same trial or {ALLOW_OPTION}')
    print_log(f'{message} (allowed by {ALLOW_OPTION})', logger='current')

"""Whether a checkpoint fits the model and the data it is used with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from mmgl.utils.errors import ConfigError

from .compare import reshaped
from .reader import read_checkpoint

# Key of a checkpoint's meta for the data set that it was trained on.
META_KEY = 'trained_on'
ALLOW_OPTION = '--allow-trial-mismatch'
# Not used in testing; a published checkpoint may lack them.
OPTIONAL_PREFIX = 'heads.'


def load_checkpoint(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Load a checkpoint of this package into a model and return its meta.

    Only heads, which testing does not use, may be missing or of another
    shape (another number of identities); they stay as they are.

    Raises:
        ConfigError: If the file is no checkpoint or does not fit.
    """
    checkpoint = read_checkpoint(path)
    load_state(model, checkpoint['state_dict'], str(path))
    return dict(checkpoint.get('meta') or {})


def load_state(
    model: nn.Module, state: Mapping[str, Tensor], path: str
) -> None:
    """Load the tensors of a checkpoint; see :func:`load_checkpoint`."""
    state = _unwrapped(state)
    check_state(model, state, path)
    shapes = {k: v.shape for k, v in model.state_dict().items()}
    model.load_state_dict(
        {k: v for k, v in state.items() if shapes.get(k) == v.shape},
        strict=False,
    )


def check_state(
    model: nn.Module, state: Mapping[str, Tensor], path: str
) -> None:
    """Refuse weights that would leave tensors of a model untouched.

    mmengine loads what fits and only logs the rest.

    Raises:
        ConfigError: If a tensor outside ``heads.`` is missing or has another
            shape.
    """
    state, expected = _unwrapped(state), model.state_dict()
    needed = {
        name: value
        for name, value in expected.items()
        if not name.startswith(OPTIONAL_PREFIX)
    }
    parts = [
        f'{len(names)} {what} ({", ".join(names[:3])}'
        f'{", ..." if len(names) > 3 else ""})'
        for what, names in (
            ('missing', [name for name in needed if name not in state]),
            ('of another shape', reshaped(state, needed)),
        )
        if names
    ]
    if parts:
        raise ConfigError(
            f'checkpoint {path} does not fit the model of the '
            f'config: tensors {"; ".join(parts)}'
        )
    unused = sum(
        name not in needed
        and (name not in state or state[name].shape != value.shape)
        for name, value in expected.items()
    )
    if unused:
        print_log(
            f'{unused} tensors of heads are not in {path}; testing '
            'does not use them',
            logger='current',
        )


def _unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix('module.'): v for k, v in state.items()}


def check_trial(
    meta: Mapping[str, Any] | None,
    metainfo: Mapping[str, Any],
    path: str,
    allow: bool = False,
) -> None:
    """Refuse a checkpoint that may have been trained on the test identities.

    The trials of RegDB divide the same persons differently. ``meta`` is that
    of the checkpoint, ``metainfo`` that of the data set to test or train on.

    Raises:
        ConfigError: If data set and trial are known, the data sets are the
            same and the trials differ; with ``allow`` the log says so.
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

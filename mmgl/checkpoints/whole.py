"""Whether a checkpoint fits a whole model, and loading it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from mmgl.utils.errors import ConfigError

from .compare import misfit, renamed
from .provenance import MODEL_KEY, seen_by
from .reader import read_checkpoint

# Not used in testing; a published checkpoint may lack them.
HEADS = 'heads.'


def load_checkpoint(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Load a checkpoint of this package into a model and return its meta.

    Only heads, which testing does not use, may be missing or of another
    shape (another number of identities); they stay as they are.

    Raises:
        ConfigError: If the file is no checkpoint or does not fit.
    """
    checkpoint = read_checkpoint(path)
    load_state(model, checkpoint['state_dict'], path)
    vars(model)[MODEL_KEY] = seen_by(checkpoint['meta'])
    return dict(checkpoint['meta'])


def load_state(
    model: nn.Module,
    state: Mapping[str, Tensor],
    path: str | Path,
    optional: str | tuple[str, ...] = HEADS,
) -> None:
    """Load the weights of a file that :func:`check_state` accepts."""
    check_state(model, state, path, optional)
    shapes = {k: v.shape for k, v in model.state_dict().items()}
    model.load_state_dict(
        {
            k: v
            for k, v in _bare(state, path).items()
            if shapes.get(k) == v.shape
        },
        strict=False,
    )


def check_state(
    model: nn.Module,
    state: Mapping[str, Tensor],
    path: str | Path,
    optional: str | tuple[str, ...] = HEADS,
) -> None:
    """Refuse weights that do not fit the model, by a ConfigError.

    mmengine loads what fits and only logs the rest. Tensors with an
    ``optional`` prefix may be missing, left over or of another shape.
    """
    state, expected = _bare(state, path), model.state_dict()
    needed = {k: v for k, v in expected.items() if not k.startswith(optional)}
    extra = {k for k in state if not k.startswith(optional)} - needed.keys()
    if problems := misfit(state, needed, extra=sorted(extra)):
        raise ConfigError(
            f'checkpoint {path} does not fit the model of the config: '
            f'{problems}. Use the config it was trained with, or start from '
            'its backbone alone by --init-checkpoint'
        )
    unused = sum(
        name not in state or state[name].shape != value.shape
        for name, value in expected.items()
        if name not in needed
    )
    if unused:
        print_log(
            f'{unused} tensors of heads are not in {path}; testing '
            'does not use them',
            logger='current',
        )


def _bare(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Take the wrapper of DDP out of the names."""
    where = f'checkpoint {path}'
    return renamed(state, lambda name: name.removeprefix('module.'), where)

"""What an interrupted run goes on from."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgl.utils.errors import ConfigError

from .compare import infinite
from .reader import is_intact

_NUMBERED = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


def find_resumable(work_dir: str | Path) -> Path | None:
    """Find the newest checkpoint of a run that can be loaded, if any.

    mmengine writes the name of the newest checkpoint into the file
    ``last_checkpoint``; a kill can leave that file empty, and a copied
    folder makes its path wrong. Then, and when the checkpoint is damaged,
    the newest intact one of the folder is taken, with a warning.

    Raises:
        ConfigError: If there are checkpoints and all are damaged.
    """
    work_dir = Path(work_dir)
    note = work_dir / 'last_checkpoint'
    named = note.read_text(encoding='utf-8').strip() if note.is_file() else ''
    if named:
        # The folder may have been moved since.
        for path in (Path(named), work_dir / Path(named).name):
            if is_intact(path):
                return path
    numbered = sorted(
        (int(match[1]), path)
        for path in work_dir.glob('*.pth')
        if (match := _NUMBERED.fullmatch(path.name))
    )
    for _, path in reversed(numbered):
        if is_intact(path):
            warnings.warn(
                f'{note} names no intact checkpoint ({named!r}): '
                f'going on from {path}'
            )
            return path
    if numbered:
        raise ConfigError(
            f'--resume: all checkpoints in {work_dir} are damaged; remove '
            'them to start again'
        )
    return None


def resolve_resume(resume: str, work_dir: str | Path) -> Path | None:
    """Turn ``--resume`` ('auto', a file, the folder of a run) into a file.

    None if 'auto' finds nothing, so that the run starts from the beginning.

    Raises:
        ConfigError: If what is named cannot be loaded.
    """
    if resume == 'auto':
        return find_resumable(work_dir)
    path = Path(resume)
    if path.is_dir():
        found = find_resumable(path)
        if found is None:
            raise ConfigError(f'--resume: no checkpoint in the folder {path}')
        return found
    if not path.is_file():
        raise ConfigError(f'--resume: there is no file {str(path)!r}')
    if not is_intact(path):
        raise ConfigError(
            f'--resume: {path} is damaged or no checkpoint; take another'
        )
    return path


def check_progress(
    checkpoint: Mapping[str, Any], path: str
) -> tuple[int, int]:
    """Return epochs and iterations of a checkpoint that can be resumed.

    Raises:
        ConfigError: If it holds weights alone, or nonsense.
    """
    meta = checkpoint['meta']
    progress = meta.get('epoch'), meta.get('iter')
    good = all(type(number) is int and number >= 0 for number in progress)
    kinds = [type(checkpoint.get(key)) for key in ('optimizer', 'message_hub')]
    if not good or kinds != [dict, dict]:
        raise ConfigError(
            f'--resume: {path} holds no training to go on with (epoch, iter, '
            'optimizer and message_hub); start from its weights by load_from'
        )
    return progress


def merge_optimizer(
    saved: Mapping[str, Any],
    built: Mapping[str, Any],
    parameters: Sequence[Tensor],
    path: str,
) -> dict[str, Any]:
    """Put the progress in a file and the settings of a config together.

    ``parameters`` are in the order of the groups of the ``built`` state.

    Raises:
        ConfigError: If the file's is the state of another optimizer.
    """
    try:
        problem = _misfit_of_optimizer(saved, built, parameters)
    except (AttributeError, IndexError, KeyError, TypeError):
        problem = 'another structure'
    if problem:
        raise ConfigError(
            f'--resume: the optimizer in {path} does not fit '
            f'optim_wrapper.optimizer of the config, it has {problem}'
        )
    progress = {k: v for k, v in saved.items() if k != 'base_param_settings'}
    return {**progress, 'param_groups': built['param_groups']}


def _misfit_of_optimizer(
    saved: Mapping[str, Any],
    built: Mapping[str, Any],
    parameters: Sequence[Tensor],
) -> str:
    """Say what the first has that the second cannot take."""
    old, new = saved['param_groups'], built['param_groups']
    if [group['params'] for group in old] != [g['params'] for g in new]:
        return 'other groups of parameters'
    # Versions of torch only add keys.
    if old[0].keys() - new[0].keys() and new[0].keys() - old[0].keys():
        return 'the settings of another type'
    tensors = optimizer_tensors(saved)
    if bad := infinite(tensors):
        return f'NaN or Inf in {bad[0]}'
    for name, value in tensors.items():
        shape = parameters[int(name.split()[-1])].shape
        # A state may have one number for a row or for all.
        if value.ndim and not all(
            a in (1, b) for a, b in zip(value.shape, shape, strict=False)
        ):
            return f'another shape in {name}'
    return ''


def optimizer_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Find the tensors in the state of an optimizer, as KEY of NUMBER."""
    return {
        f'{name} of {number}': value
        for number, entries in state.get('state', {}).items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }

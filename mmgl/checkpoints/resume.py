"""Finding the checkpoint an interrupted run goes on from."""

import re
import warnings
from pathlib import Path

from mmgl.utils.errors import ConfigError

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
        raise ConfigError(f'--resume: {path} is damaged or no checkpoint')
    return path

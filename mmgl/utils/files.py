"""Files that are there whole or not at all, where they can be written."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape, glob
from pathlib import Path
from typing import Any
from uuid import uuid4

from .errors import UnwritableError, full_disk
from .locks import opened, try_lock

StrPath = str | os.PathLike[str]
# What pictures are written as.
PICTURES = ('.png', '.svg', '.pdf')
_OLD = 3600.0  # seconds


def check_output(
    path: StrPath, suffixes: Sequence[str] = (), inputs: Sequence[StrPath] = ()
) -> None:
    """Refuse, before any work, a name that no file should be written to.

    Raises:
        UnwritableError: Saying what is wrong with the name or its folder.
    """
    path, reason = Path(path), ''
    if os.path.isdir(path):
        reason = 'this is a folder; name a file in it'
    elif os.path.exists(path) and not os.path.isfile(path):
        reason = 'this is no ordinary file'
    elif os.path.realpath(path) in map(os.path.realpath, inputs):
        reason = 'this is an input, which would be lost'
    else:
        reason = _why_not_into(path.parent, f'.{path.name}.12345678.part')
    if not reason and suffixes and path.suffix.lower() not in suffixes:
        reason = f'the name must end in {" or ".join(suffixes)}'
    if reason:
        raise UnwritableError(f'cannot write {path}: {reason}')


def check_output_folder(path: StrPath) -> None:
    """Refuse, before any work, a folder that cannot be made or written."""
    if reason := _why_not_into(Path(path)):
        raise UnwritableError(f'cannot write into {path}: {reason}')


def _why_not_into(folder: Path, name: str = '.') -> str:
    """Say why a folder, which may have to be made, takes no new file."""
    try:
        os.lstat(folder / name)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return f'{error.strerror}; choose another place'
    there = next(f for f in (folder, *folder.parents) if os.path.exists(f))
    if not os.path.isdir(there):
        return f'{there} is a file, not a folder'
    if not os.access(there, os.W_OK | os.X_OK):
        return f'{there} is not writable; choose another place'
    return ''


@contextmanager
def replace_whole(path: StrPath) -> Iterator[Path]:
    """Write a file under another name and give it its own in one step.

    A reader, also after a kill, sees the old or the new file, never a part.
    The folder is made if missing, and what killed writers of the file have
    left there is removed. Yields where to write; if that fails, the old file
    stays.

    Raises:
        UnwritableError: If the file cannot be written, or the disk is full.
    """
    check_output(path)
    path = Path(os.path.realpath(path))
    with full_disk(f'cannot write {path}'):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        fresh = path.with_name(f'.{path.name}.{uuid4().hex[:8]}.new')
        partial = fresh.with_suffix('.part')
        with opened(fresh) as descriptor:
            # Locked, as long as its writer lives, before others see it.
            with suppress(OSError):  # not every file system has locks
                try_lock(descriptor)
            os.rename(fresh, partial)
            try:
                yield partial
                os.replace(partial, path)
            except RuntimeError:
                # So do libraries in C++ call a full disk. Ask it again.
                with partial.open('ab') as file:
                    file.write(bytes(2**20))
                raise
            finally:
                partial.unlink(missing_ok=True)


def write_text(path: StrPath, text: str) -> Path:
    """Write a text, whole or not at all, and return its path."""
    with replace_whole(path) as partial:
        partial.write_text(text, encoding='utf-8')
    return Path(path)


def write_json(path: StrPath, content: object, **how: Any) -> Path:
    """Write JSON in the same way; ``how`` goes to ``json.dumps``."""
    return write_text(path, json.dumps(content, indent=2, **how) + '\n')


def _remove_leftovers(path: Path) -> None:
    """Remove partial files whose writers have ended."""
    start = f'.{escape(path.name)}.*'
    for name in glob(f'{start}.new', root_dir=path.parent):
        # Of no writer any more: it is not locked, but for moments only.
        with suppress(OSError):
            if time.time() - os.stat(path.with_name(name)).st_mtime > _OLD:
                path.with_name(name).unlink()
    for name in glob(f'{start}.part', root_dir=path.parent):
        left = path.with_name(name)
        with suppress(OSError), opened(left) as descriptor:
            if try_lock(descriptor):
                left.unlink(missing_ok=True)

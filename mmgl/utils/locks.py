"""Folders and files that one process at a time works on.

The system gives a lock back when its process ends, however it ends.
"""

import fcntl
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ConfigError

LOCK = '.lock'
# Descriptors of locks that end with this process: forked workers, which may
# outlive it by seconds, close theirs at once.
_own: set[int] = set()


class BusyError(ConfigError, RuntimeError):
    """Another process is at work in a folder."""


def _close_own() -> None:
    for descriptor in _own:
        os.close(descriptor)
    _own.clear()


os.register_at_fork(after_in_child=_close_own)


def try_lock(descriptor: int) -> bool:
    """Lock an open file, or tell that another process has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def opened(path: Path, inherited: bool = False) -> Iterator[int]:
    """Open a file for a lock; only if ``inherited`` do forks keep it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if not inherited:
        _own.add(descriptor)
    try:
        yield descriptor
    finally:
        _own.discard(descriptor)
        os.close(descriptor)


@contextmanager
def locked_folder(
    folder: str | os.PathLike[str],
    patience: float = 0.5,
    inherited: bool = False,
) -> Iterator[int]:
    """Keep other processes out of a folder, or say which one is in it.

    Yields the descriptor of the lock, which programs that are started may
    inherit. ``patience``, in seconds, is for a holder just ending.

    Raises:
        BusyError: If another process works in the folder.
    """
    path = Path(folder, LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened(path, inherited) as descriptor:
        _wait_for(descriptor, path, patience)
        since = time.strftime('%Y-%m-%d %H:%M:%S')
        holder = f'process {os.getpid()} of {socket.gethostname()}'
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f'{holder}, since {since}\n'.encode(), 0)
        yield descriptor


def _wait_for(descriptor: int, path: Path, patience: float) -> None:
    """Lock the file of a folder, or raise a BusyError."""
    end = time.monotonic() + patience
    try:
        while not try_lock(descriptor):
            if time.monotonic() > end:
                holder = path.read_text().strip() or 'another process'
                raise BusyError(
                    f'{path.parent} is in use by {holder}, or by a program '
                    'that it started; wait for it, stop it, or choose another '
                    '--work-dir'
                )
            time.sleep(0.1)
    except OSError as error:
        warnings.warn(
            f'{path.parent} cannot be locked ({error.strerror}): see to it '
            'that one process at a time writes there.'
        )

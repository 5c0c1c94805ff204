"""Errors that a user can mend, and how the tools show them."""

import difflib
import errno
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from shutil import disk_usage

DEBUG_VARIABLE = 'MMGL_DEBUG'
BAD_INPUT, DIVERGED, INTERRUPTED, BROKEN_PIPE, TERMINATED = 2, 3, 130, 141, 143


class ConfigError(ValueError):
    """A mistake in the config or on the command line, in one sentence."""

    def __str__(self) -> str:
        """Leave out the traceback that workers of data loaders put before."""
        kind = type(self)
        name = f'\n{kind.__module__}.{kind.__qualname__}: '
        return super().__str__().rpartition(name)[2].rstrip()


class UnwritableError(OSError, ConfigError):
    """A file or folder that cannot be written, in one sentence."""


class MissingPackageError(ConfigError, ImportError):
    """A package that is not installed, in one sentence."""


class TerminatedError(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM."""


class TrainingDivergedError(RuntimeError):
    """Losses or features say that the run cannot come to anything."""


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``' (did you mean ...?)'`` for the nearest word, or nothing.

    ``cutoff`` is the similarity in [0, 1] from which a word counts as near.
    """
    found = difflib.get_close_matches(word, sorted(words), 1, cutoff)
    return f' (did you mean {found[0]!r}?)' if found else ''


def debugging(option: bool = False) -> bool:
    """Tell whether tracebacks are wanted, by ``--debug`` or ``MMGL_DEBUG``."""
    return option or os.environ.get(DEBUG_VARIABLE, '0') not in ('', '0')


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks.

    Kinds of errors whose message is no sentence are named.
    """
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}'
    # str(KeyError('x')) is "'x'": the repr of its argument.
    keyed = isinstance(error, KeyError) and error.args
    text = ' '.join(str(error.args[0] if keyed else error).split())
    if isinstance(error, ValueError | FileNotFoundError) and text:
        return text
    return f'{type(error).__name__}: {text}'


# What pip calls packages that are imported under another name.
_DISTRIBUTIONS = {
    'faiss': 'faiss-cpu',
    'pytorch_grad_cam': 'grad-cam',
    'sklearn': 'scikit-learn',
}


@contextmanager
def missing_packages(what: str, wanted: str = '') -> Iterator[None]:
    """Say that ``what`` lacks a package, and what to install for it.

    That is the package itself, unless ``wanted`` is something else.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or '').partition('.')[0]
        if name in ('', 'mmgl'):
            raise
        package = _DISTRIBUTIONS.get(name, name)
        raise MissingPackageError(
            f'{what} needs {package}, which is not installed; pip install '
            f'{wanted or package}'
        ) from None


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_SHARED = '/dev/shm'
# As torch says of the files that batches are in: try again (11), no memory
# (12), no space (28).
_NO_SHARED_MEMORY = r'unable to .*(shared memory|torch_).*\((11|12|28)\)'
_LITTLE_MEMORY = (
    f'where memory is short (a container has 64 MB of {_SHARED} unless it is '
    'started with a larger --shm-size), use fewer workers or num_workers=0'
)


@contextmanager
def understood(source: str) -> Iterator[None]:
    """Turn what settings of a file lead to into a ConfigError."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # of any kind, as settings are
        raise ConfigError(
            f'{source}: its settings make no model and no pipeline '
            f'({one_line(error)})'
        ) from None


@contextmanager
def full_disk(what: str = 'cannot write') -> Iterator[None]:
    """Turn a disk that takes no more into an UnwritableError."""
    try:
        yield
    except OSError as error:
        if isinstance(error, UnwritableError) or error.errno not in _FULL:
            raise
        remedy = 'make room or choose another place'
        # Workers of data loaders need room there before they start.
        if os.path.isdir(_SHARED) and disk_usage(_SHARED).free < 2**16:
            remedy = _LITTLE_MEMORY
        raise UnwritableError(f'{what}: {error.strerror}; {remedy}') from error


@contextmanager
def _lost_workers() -> Iterator[None]:
    """Turn the end of a worker process, or its memory's, into a sentence."""
    try:
        yield
    except RuntimeError as error:
        text = str(error).partition('. ')[0].rstrip('.')
        if short := re.search(_NO_SHARED_MEMORY, str(error)):
            text = f'a worker of a data loader is {short[0]}'
        elif not text.startswith('DataLoader worker') and not isinstance(
            error, BrokenExecutor
        ):
            raise
        raise ConfigError(f'{text}; {_LITTLE_MEMORY}') from error


@contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Raise a TerminatedError at SIGTERM, so that a job can end in order.

    Ranks of a distributed job are left alone: they may wait for one another
    where Python does not look, and whoever started them ends them all.
    """

    def end(*_: object) -> None:
        # A second one kills; and workers of data loaders, which may have
        # been sent it too, are not missed any more.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise TerminatedError

    ranks = int(os.environ.get('WORLD_SIZE') or 1)
    main = threading.current_thread() is threading.main_thread()
    if ranks > 1 or not main:  # signals can be set in the main thread only
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def report_errors(
    debug: bool = False, is_over: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """End the program with one sentence for mistakes of the set-up.

    For the part of a tool in which an error means a wrong config, file or
    option: loading the config, building everything and the first step. What
    goes wrong when the set-up is over, in the middle of training, keeps its
    traceback; so does all with ``debug``.
    """
    try:
        with full_disk(), _lost_workers():
            yield
    except Exception as error:
        # Not for whom reads the output, and not before its verdict.
        passing = isinstance(error, BrokenPipeError | TrainingDivergedError)
        if passing or is_over() or debugging(debug):
            raise
        rank = os.environ.get('RANK')
        where = f' (rank {rank})' if rank not in (None, '0') else ''
        hint = (
            f' [{DEBUG_VARIABLE}=1 shows where]'
            if not isinstance(error, ConfigError | OSError)
            else ''
        )
        print(f'error{where}: {one_line(error)}{hint}', file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """End in silence when the reader of the output has gone (``| head``)."""
    # A log that nobody reads on the screen goes on in its file.
    logging.raiseExceptions = False
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(BROKEN_PIPE) from None


@contextmanager
def report_outcome(
    debug: bool = False, remedy: str = 'the same command starts it again'
) -> Iterator[None]:
    """Explain in one sentence why a running job ended early.

    Ranks end together when a training diverges; the first one speaks. With
    ``debug`` there is the traceback instead. ``remedy`` is for a job that
    was interrupted.
    """
    from mmengine.dist import is_main_process

    try:
        with terminate_like_interrupt(), full_disk(), _lost_workers():
            yield
    except (TrainingDivergedError, ConfigError) as error:
        if debugging(debug):
            raise
        bad = isinstance(error, ConfigError)
        if bad or is_main_process():
            print(f'error: {error}', file=sys.stderr)
        raise SystemExit(BAD_INPUT if bad else DIVERGED) from None
    except KeyboardInterrupt as error:
        terminated = isinstance(error, TerminatedError)
        word = 'terminated' if terminated else 'interrupted'
        print(f'\n{word}; {remedy}', file=sys.stderr)
        raise SystemExit(TERMINATED if terminated else INTERRUPTED) from None

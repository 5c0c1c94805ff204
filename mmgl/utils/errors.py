"""Errors that a user can mend, and how the tools show them."""

import difflib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

DEBUG_VARIABLE = 'MMGL_DEBUG'
BAD_INPUT, DIVERGED, INTERRUPTED, BROKEN_PIPE = 2, 3, 130, 141


class ConfigError(ValueError):
    """A mistake in the config or on the command line, in one sentence."""

    def __str__(self) -> str:
        """Leave out the traceback that workers of data loaders put before."""
        kind = type(self)
        name = f'\n{kind.__module__}.{kind.__qualname__}: '
        return super().__str__().rpartition(name)[2].rstrip()


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


@contextmanager
def report_errors(
    debug: bool = False,
    kinds: tuple[type[Exception], ...] = (Exception,),
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """End the program with one sentence for mistakes of the set-up.

    For the part of a tool in which an error means a wrong config, file or
    option: loading the config, building everything and the first step. What
    goes wrong when the set-up is over, in the middle of training, keeps its
    traceback; so does all with ``debug``.
    """
    try:
        yield
    except kinds as error:
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
def report_outcome(debug: bool = False) -> Iterator[None]:
    """Explain in one sentence why a running job ended early.

    Ranks end together when a training diverges; the first one speaks. With
    ``debug`` there is the traceback instead.
    """
    from mmengine.dist import is_main_process

    try:
        # Such as a checkpoint that does not fit what was built.
        with report_errors(debug, (ConfigError,)):
            yield
    except TrainingDivergedError as error:
        if debugging(debug):
            raise
        if is_main_process():
            print(f'error: {error}', file=sys.stderr)
        raise SystemExit(DIVERGED) from None
    except KeyboardInterrupt:
        print(
            '\ninterrupted; the same command with --resume auto goes on from '
            'the newest checkpoint',
            file=sys.stderr,
        )
        raise SystemExit(INTERRUPTED) from None

"""The way in: how a job ends, whatever happens to it."""

import shlex
import sys

from mmgl.utils.errors import (
    BAD_INPUT,
    INTERRUPTED,
    TERMINATED,
    TerminatedError,
    full_disk,
    terminate_like_interrupt,
)

from .chain import StageRunner
from .options import Options
from .progress import Display


def run(
    options: Options,
    runner: StageRunner | None = None,
    display: Display | None = None,
) -> int:
    """Run what is not done yet, then write tables, figures and reports.

    ``runner`` runs one stage and yields its progress, by default that of a
    subprocess; ``display`` shows messages, by default on the standard output.
    Returns the exit code: 0 done, 1 a stage failed, 2 a mistake in options or
    files, 130 interrupted, 143 terminated.
    """
    display = display or Display()
    try:
        with terminate_like_interrupt(), full_disk():
            # It takes seconds, in which one may be interrupted, too.
            from .driver import make

            failures = make(options, runner, display)
    except KeyboardInterrupt as error:
        again = shlex.join(sys.orig_argv)
        words = 'Interrupted. Give the same command again to continue'
        display.say(f'{words}: {again}')
        terminated = isinstance(error, TerminatedError)
        return TERMINATED if terminated else INTERRUPTED
    except (OSError, ValueError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.errno:
            # The system's own words name no remedy.
            text = f'{error.filename}: {error.strerror}; put that right, then '
            text += 'give the same command again.'
        display.say(f'Error: {text}')
        return BAD_INPUT if isinstance(error, OSError | ValueError) else 1
    finally:
        display.close()
    for name, reason in failures.items():
        display.say(f'failed: {name}: {reason.splitlines()[0]}')
    return 1 if failures else 0

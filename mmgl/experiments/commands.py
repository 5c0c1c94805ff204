"""The way in: ``mmgl quickstart``, ``mmgl reproduce``, and how they end."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any

from mmgl.utils.arguments import output_folder
from mmgl.utils.errors import (
    BAD_INPUT,
    INTERRUPTED,
    TERMINATED,
    TerminatedError,
    full_disk,
    report_errors,
    terminate_like_interrupt,
)

from .chain import StageRunner
from .options import QUICKSTART, TARGETS, Options
from .progress import Display

# Where the command line has another name than ``Options``.
_NAMES = {'overrides': 'cfg-options'}
_OF_QUICKSTART = ('smoke', 'seeds', 'work_dir', 'workers')
_NOT_OF_REPRODUCE = ('smoke', 'workers')


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


def _add(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add options as the fields of ``Options`` describe them."""
    for one in fields(Options):
        if one.name in names:
            name = _NAMES.get(one.name, one.name.replace('_', '-'))
            default = {} if one.default is MISSING else one.default
            how: dict[str, Any] = {**one.metadata, 'default': default}
            parser.add_argument(f'--{name}', dest=one.name, **how)


def _start(**settings: Any) -> int:
    """Run with checked options and return the exit code."""
    with report_errors():
        options = Options(**settings)
    return run(options)


def run_quickstart(arguments: Sequence[str] | None = None) -> int:
    """Run the quickstart and return its exit code."""
    parser = argparse.ArgumentParser(
        description='Write the embedded data set, pre-train by MMGL, '
        'fine-tune AGW from MMGL and from random weights, evaluate both and '
        'report. Started again, it continues where it stopped.'
    )
    _add(parser, _OF_QUICKSTART)
    parser.add_argument(
        '--data-root',
        type=output_folder,
        help='folder of the embedded data set (default: in data/synthetic)',
    )
    args = vars(parser.parse_args(arguments))
    root = args.pop('data_root')
    places = {'sysu': root} if root else {}
    return _start(targets=[QUICKSTART], data_root=places, **args)


def run_reproduction(arguments: Sequence[str] | None = None) -> int:
    """Run the targets and return the exit code."""
    parser = argparse.ArgumentParser(
        description='Run the experiments of tables and figures and write the '
        'results. What is recorded is skipped and what was interrupted goes '
        'on, so the same command may be given again at any time.'
    )
    parser.add_argument(
        'targets',
        nargs='+',
        metavar='TARGET',
        choices=TARGETS,
        help=f'one or more of {", ".join(TARGETS)}',
    )
    told = [one.name for one in fields(Options) if one.metadata]
    _add(parser, [name for name in told if name not in _NOT_OF_REPRODUCE])
    args = vars(parser.parse_args(arguments))
    return _start(**{**args, 'data_root': dict(args['data_root'])})

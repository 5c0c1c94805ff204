"""The commands ``mmgl quickstart`` and ``mmgl reproduce``."""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any

from mmgl.utils.arguments import output_folder
from mmgl.utils.errors import report_errors

from .entrance import run
from .options import QUICKSTART, TARGETS, Options

# Where the command line has another name than ``Options``.
_NAMES = {'overrides': 'cfg-options'}
_OF_QUICKSTART = ('smoke', 'seeds', 'work_dir', 'workers')
_NOT_OF_REPRODUCE = ('smoke', 'workers')


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

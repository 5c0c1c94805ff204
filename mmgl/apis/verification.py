"""Check a SYSU-MM01 or RegDB folder and say what is wrong and where."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mmgl.utils.arguments import natural, trial
from mmgl.utils.errors import report_errors

from .layouts import OWN, add_layout, check_layout

# Module and function, imported when asked for: torch takes seconds.
VERIFY = {
    'sysu': ('verify', 'verify_sysu'),
    'regdb': ('verify', 'verify_regdb'),
    'llcm': ('verify_llcm', 'verify_llcm'),
    'table': ('verify_own', 'verify_own'),
    'folder': ('verify_own', 'verify_own'),
}


def verification_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl verify-dataset``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_layout(parser, required=True)
    add(
        '--official',
        action='store_true',
        help='compare the counts with those of the real data set',
    )
    add(
        '--decode',
        action='store_true',
        help='decode every image to find truncated ones (slow)',
    )
    add('--trial', type=trial, help='RegDB: check this trial only')
    add(
        '--max-problems',
        type=natural,
        default=50,
        help='print at most so many problems',
    )
    return parser


def run_verification(arguments: Sequence[str] | None = None) -> int:
    """Check, print the report and return the exit status."""
    parser = verification_parser()
    args = parser.parse_args(arguments)
    options = _options(args, parser)
    module, name = VERIFY[args.layout]
    verify = getattr(import_module(f'mmgl.datasets.{module}'), name)
    with report_errors():
        report = verify(args.root, **options)
    for name, number in report.counts.items():
        print(f'{name}: {number}')
    for note in report.notes[: args.max_problems]:
        print(f'note: {note}')
    for problem in report.problems[: args.max_problems]:
        print(f'PROBLEM: {problem}')
    hidden = len(report.problems) - args.max_problems
    if hidden > 0:
        print(f'... and {hidden} more problems')
    print(f'{len(report.problems)} problem(s) in {args.root}')
    return 1 if report.problems else 0


def _options(
    args: argparse.Namespace, parser: argparse.ArgumentParser
) -> dict[str, Any]:
    """Choose the options of the layout's check; others are an error."""
    if args.trial is not None and args.layout != 'regdb':
        parser.error('--trial belongs to --layout regdb')
    check_layout(args, parser)
    if args.official and args.layout in OWN:
        parser.error('--official belongs to the benchmarks')
    if not Path(args.root).is_dir():
        parser.error(f'--root: there is no folder {args.root!r}')
    options = dict(decode=args.decode)
    if args.layout in OWN:
        return dict(options, table=args.table)
    if args.trial is not None:
        options['trials'] = (args.trial,)
    return dict(options, official=args.official)

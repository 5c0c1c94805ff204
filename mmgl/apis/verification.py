"""Check a SYSU-MM01 or RegDB folder and say what is wrong and where."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmgl.utils.arguments import natural
from mmgl.utils.errors import report_errors


def verification_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmgl verify-dataset``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--root', required=True, help='folder of the data set')
    add('--layout', required=True, choices=('sysu', 'regdb'))
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
    add(
        '--trial',
        type=int,
        choices=range(1, 11),
        help='RegDB: check this trial only',
    )
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
    if args.trial is not None and args.layout != 'regdb':
        parser.error('--trial belongs to --layout regdb')
    if not Path(args.root).is_dir():
        parser.error(f'--root: there is no folder {args.root!r}')
    options: dict[str, Any] = dict(official=args.official, decode=args.decode)
    if args.trial is not None:
        options['trials'] = (args.trial,)
    from mmgl.datasets.verify import verify_regdb, verify_sysu

    verify = verify_sysu if args.layout == 'sysu' else verify_regdb
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

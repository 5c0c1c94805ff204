"""Write the embedded synthetic data set in a real set's layout.

Example:
    python tools/dataset_converters/make_synthetic.py \
        --root data/synthetic_sysu --layout sysu --preset mini
"""

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Sequence

from mmgl.datasets.synthetic import (
    Difficulty,
    preset_counts,
    write_regdb,
    write_sysu,
)
from mmgl.utils.arguments import output_folder, positive, seed
from mmgl.utils.errors import report_errors
from mmgl.utils.progress import PROGRESS_VARIABLE, write_progress


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write the embedded synthetic data set.'
    )
    parser.add_argument(
        '--root', type=output_folder, required=True, help='folder to write'
    )
    parser.add_argument('--layout', choices=('sysu', 'regdb'), default='sysu')
    parser.add_argument(
        '--preset', choices=('tiny', 'mini', 'full'), default='mini'
    )
    parser.add_argument('--seed', type=seed, default=0)
    parser.add_argument(
        '--workers', type=positive, default=1, help='number of processes'
    )
    parser.add_argument('--quiet', action='store_true', help='no progress')
    group = parser.add_argument_group('difficulty (see mmgl Difficulty)')
    for field in dataclasses.fields(Difficulty):
        group.add_argument(
            f'--{field.name.replace("_", "-")}',
            type=float,
            default=field.default,
            metavar='X',
            help=f'default {field.default}',
        )
    return parser.parse_args(argv)


class Progress:
    """Print the share done and the remaining time on one line.

    The file that ``MMGL_PROGRESS_FILE`` names is kept up to date, too.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._start: tuple[float, int] | None = None
        self._written = 0.0
        self._file = os.environ.get(PROGRESS_VARIABLE)

    def __call__(self, done: int, total: int) -> None:
        """Report ``done`` of ``total`` images."""
        now = time.time()
        if self._file and (now - self._written > 0.3 or done >= total):
            self._written = now
            write_progress(self._file, done, total, f'image {done}/{total}')
        if self._quiet:
            return
        if self._start is None:
            self._start = (now, done)
        began, first = self._start
        rate = (done - first) / max(now - began, 1e-6)
        left = f'{(total - done) / rate:5.0f} s left' if rate else ''
        end = '\n' if done == total else ''
        print(
            f'\r{done}/{total} images {left}   ',
            end=end,
            file=sys.stderr,
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Write the data set and print what it holds."""
    args = parse_args(argv)
    names = [field.name for field in dataclasses.fields(Difficulty)]
    write = write_sysu if args.layout == 'sysu' else write_regdb
    with report_errors():
        write(
            args.root,
            args.preset,
            args.seed,
            args.workers,
            Progress(args.quiet),
            Difficulty(**{name: getattr(args, name) for name in names}),
        )
    images = preset_counts(args.layout, args.preset)['images']
    print(
        f'{args.root}: {images} images in the {args.layout} layout '
        f'(preset {args.preset}, seed {args.seed}).'
    )


if __name__ == '__main__':
    main()

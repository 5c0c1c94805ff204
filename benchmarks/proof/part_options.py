"""Command line options of the scripts behind the parts."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from .sizes import Sizes, sizes_of


class PartOptions(argparse.Namespace):
    """Parsed options.

    Attributes:
        out: JSON file for the findings.
        scratch: Folder for whatever is needed on the way.
        rehearse: Whether all is small and on a processor.
        sizes: See :class:`Sizes`.
    """

    out: Path
    scratch: Path
    rehearse: bool
    sizes: Sizes

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.seconds - (time.monotonic() - self.started)


def part_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of the common options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--out', type=Path, required=True, metavar='JSON')
    parser.add_argument(
        '--scratch', type=Path, required=True, metavar='FOLDER'
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=float('inf'),
        help='nothing new is begun after them',
    )
    parser.add_argument('--rehearse', action='store_true')
    return parser


def parse_part(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None = None
) -> PartOptions:
    """Parse the options and start the clock."""
    options = parser.parse_args(argv, PartOptions())
    options.started = time.monotonic()
    options.sizes = sizes_of(options.rehearse)
    return options

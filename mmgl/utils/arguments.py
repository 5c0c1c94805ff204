"""Types of command line arguments; argparse says which option is wrong."""

import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

TRUST_OPTION = '--trust-checkpoint'


def whole_number(
    least: int = 0, most: int | None = None
) -> Callable[[str], int]:
    """Return a type of whole numbers in a range."""
    upper = f' to {most}' if most is not None else ' upwards'

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise ArgumentTypeError(
                f'{text!r} is no whole number from {least}{upper}'
            )
        return number

    return read


positive, natural = whole_number(1), whole_number(0)
# What NumPy takes.
seed = whole_number(0, 2**32 - 1)


def output_file(text: str) -> str:
    """Read the name of a file that can be written, before the work is done."""
    if not text or Path(text).is_dir():
        raise ArgumentTypeError(f'{text!r} is no name of a file')
    output_folder(str(Path(text).absolute().parent))
    return text


def output_folder(text: str) -> str:
    """Read the name of a folder that is there or can be made."""
    path = Path(text).absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        problem = 'is read-only' if there.is_dir() else 'is no folder'
        raise ArgumentTypeError(f'{text!r} cannot be made: {there} {problem}')
    return text

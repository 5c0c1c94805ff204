"""Types of command line arguments; argparse says which option is wrong."""

import os
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def _named_number(text: str) -> tuple[str, float]:
    name, _, number = text.partition('=')
    try:
        value = float(number)
        return name, int(value) if value.is_integer() else value
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            f'{text!r} is no NAME=NUMBER, such as k1=20'
        ) from None


class _Settings(Action):
    """Keeps named numbers; without any the option is true."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, dict(values) or True)


def add_rerank_option(parser: ArgumentParser) -> None:
    """Add ``--rerank``, read by ``Reranking.read``."""
    parser.add_argument(
        '--rerank',
        nargs='*',
        type=_named_number,
        action=_Settings,
        metavar='KEY=NUMBER',
        help='score re-ranked galleries, too, by k-reciprocal neighbours; '
        'k1=20 k2=6 lambda=0.3 are the published settings',
    )

"""Types of command line arguments; argparse says which option is wrong."""

from argparse import ArgumentTypeError
from collections.abc import Callable

from .errors import UnwritableError
from .files import check_output, check_output_folder


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


def _writable(check: Callable[[str], None]) -> Callable[[str], str]:
    """Return a type of names that a check lets pass, before the work."""

    def read(text: str) -> str:
        try:
            check(text)
        except UnwritableError as error:
            raise ArgumentTypeError(str(error)) from None
        return text

    return read


output_file, output_folder = map(
    _writable, (check_output, check_output_folder)
)

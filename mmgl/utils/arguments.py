"""Types of command line arguments; argparse says which option is wrong."""

from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any

from .errors import UnwritableError
from .files import check_output, check_output_folder

TRUST_OPTION = '--trust-checkpoint'
ALLOW_OPTION = '--allow-seen'


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
# Of RegDB.
trial = whole_number(1, 10)


def _writable(
    check: Callable[..., None], *given: object
) -> Callable[[str], str]:
    """Return a type of names that a check lets pass, before the work."""

    def read(text: str) -> str:
        try:
            check(text, *given)
        except UnwritableError as error:
            raise ArgumentTypeError(str(error)) from None
        return text

    return read


output_folder = _writable(check_output_folder)


def output_file(*suffixes: str) -> Callable[[str], str]:
    """Return a type of files to write, of some suffixes or of any."""
    return _writable(check_output, suffixes)


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

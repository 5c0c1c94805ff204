"""Checks of arguments, worded alike everywhere."""

import os

from .errors import ConfigError


def check_workers(number: int, name: str = '--workers') -> None:
    """Refuse more worker processes than any use of the machine explains."""
    cores = os.cpu_count() or 1
    most = max(64, 4 * cores)
    if not 0 <= number <= most:
        raise ConfigError(
            f'{name}={number}: this machine has {cores} cores; give 0 to '
            f'{most} worker processes'
        )


def require(part: object, good: bool, rule: str, got: object) -> None:
    """Raise a ValueError in the name of a part unless an argument is good.

    >>> require(1.5, False, 'margin >= 0', -1)
    Traceback (most recent call last):
    ValueError: float needs margin >= 0, got -1
    """
    if not good:
        raise ValueError(f'{type(part).__name__} needs {rule}, got {got!r}')

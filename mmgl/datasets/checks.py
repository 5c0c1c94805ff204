"""Checks that say in one wording what is wrong and would be right."""

import os.path as osp
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mmgl.utils.errors import ConfigError, one_line


def check(key: str, value: object, fits: bool, rule: str) -> None:
    """Raise ValueError "KEY must be RULE, got VALUE" unless it fits."""
    if not fits:
        raise ConfigError(f'{key} must be {rule}, got {value!r}')


def check_choice(key: str, value: object, choices: Iterable[str]) -> None:
    """Raise ValueError for a value that is none of the choices."""
    choices = tuple(choices)
    check(key, value, value in choices, f'one of {", ".join(choices)}')


def check_positive(owner: str, **values: int | None) -> None:
    """Raise ValueError for what is no whole number above 0, nor None."""
    for name, value in values.items():
        fits = value is None or (type(value) is int and value > 0)
        check(f'{owner}.{name}', value, fits, 'a whole number above 0')


def check_probability(owner: str, **values: float) -> None:
    """Raise ValueError for what is not from 0 to 1."""
    for name, value in values.items():
        check(f'{owner}.{name}', value, 0 <= value <= 1, 'from 0 to 1')


def check_outside(out: str, root: str) -> None:
    """Raise ValueError for a folder to write that is none or in a data set."""
    inner, outer = osp.realpath(out), osp.realpath(root)
    if osp.commonpath([inner, outer]) == outer:
        raise ConfigError(
            f'{out!r} lies in the data set {root!r}; choose a folder outside'
        )
    if osp.lexists(out) and not osp.isdir(out):
        raise ConfigError(f'{out!r} is no folder; choose another one')


def check_disjoint(
    where: str, one: Iterable[int], other: Iterable[int]
) -> None:
    """Raise ValueError if two splits have persons in common."""
    shared = sorted(set(one) & set(other))
    if shared:
        raise ConfigError(
            f'{where} share the persons {shared[:5]}; no two splits may '
            'share a person, restore the official files'
        )


@contextmanager
def readable(
    what: str, remedy: str, *kinds: type[Exception]
) -> Iterator[None]:
    """Turn errors into a ValueError "WHAT cannot be read (...); REMEDY"."""
    try:
        yield
    except kinds as error:
        raise ConfigError(
            f'{what} cannot be read ({one_line(error)}); {remedy}'
        ) from error

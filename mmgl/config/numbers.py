"""Numbers that cannot be."""

import math
from typing import Any

from mmgl.utils.errors import ConfigError

from .classes import AUTO, KEY
from .keys import AT_LEAST, AT_MOST, BELOW, COUNTS, LISTS, NEVER, WHOLE


def check_numbers(value: Any, path: str, name: str = '') -> None:
    """Check all numbers in a value, which stands under a name.

    Raises:
        ConfigError: For the first that is not finite or out of its range.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            check_numbers(item, f'{path}.{key}', str(key))
    elif isinstance(value, list | tuple):
        if name in AT_LEAST.keys() - LISTS:
            raise ConfigError(f'{path} must be a number, got {value!r}')
        for number, item in enumerate(value):
            check_numbers(item, f'{path}.{number}', name)
    elif problem := _problem(value, name):
        raise ConfigError(f'{path} must be {problem}, got {value!r}')


def _problem(value: Any, name: str) -> str | None:
    """Say what a number of a name must be, None if it is."""
    if (name, value) == (KEY, AUTO):
        return None
    if isinstance(value, bool | str):
        return 'a number' if name in AT_LEAST else None
    if not isinstance(value, int | float):
        return None
    if not math.isfinite(value):
        return 'finite'
    if name in COUNTS | WHOLE and int(value) != value:
        return 'a whole number'
    if name in AT_LEAST and value < AT_LEAST[name]:
        least = f'at least {AT_LEAST[name]}'
        return None if value == NEVER.get(name) else least
    if name in AT_MOST and value > AT_MOST[name]:
        return f'at most {AT_MOST[name]}'
    if name in BELOW and value >= BELOW[name]:
        return f'below {BELOW[name]}'
    return None

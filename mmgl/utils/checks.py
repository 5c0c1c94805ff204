"""Checks of arguments, worded alike everywhere."""


def require(part: object, good: bool, rule: str, got: object) -> None:
    """Raise a ValueError in the name of a part unless an argument is good.

    >>> require(1.5, False, 'margin >= 0', -1)
    Traceback (most recent call last):
    ValueError: float needs margin >= 0, got -1
    """
    if not good:
        raise ValueError(f'{type(part).__name__} needs {rule}, got {got!r}')

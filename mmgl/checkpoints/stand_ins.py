"""What a checkpoint may hold beside tensors, built without its help.

mmengine's and numpy's own ways to rebuild an object believe what the file
says: a buffer of logs takes its methods from there, for all buffers of the
process, and a numpy type the size and kind of its elements.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer


class _Type:
    """A type of numpy for numbers or texts."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r'[?biufcSU]\d*', code):
            raise ValueError(f'an array of numpy type {code!r}')
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the order of the bytes."""
        if state[1] in ('<', '>'):
            self.value = self.value.newbyteorder(state[1])


class _Array:
    """An array of numpy."""

    def __init__(self, *_: Any) -> None:
        self.value = np.zeros(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the numbers: version, shape, type, order of Fortran, bytes."""
        _, shape, kind, fortran, data = state
        flat = np.frombuffer(data, kind.value)
        self.value = flat.reshape(shape, order='F' if fortran else 'C').copy()


class _History(HistoryBuffer):  # type: ignore[misc]
    """A buffer of logs."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take the numbers alone."""
        logs, counts = plain([state['_log_history'], state['_count_history']])
        self.__init__(logs, counts, state['max_length'])  # type: ignore[misc]
        # So that it is saved again as what it was.
        self.__class__ = HistoryBuffer


def _scalar(kind: _Type, data: bytes) -> Any:
    """Rebuild a number of numpy."""
    return np.frombuffer(data, kind.value, 1)[0]


def _nothing(*_: Any) -> bytes:
    """Rebuild the bytes of an array without elements."""
    return b''


def _ignore(*_: Any) -> None:
    """Stand for the methods of a buffer of logs."""


KNOWN: list[Any] = [
    (_History, 'mmengine.logging.history_buffer.HistoryBuffer'),
    (_ignore, 'builtins.getattr'),
    (_nothing, 'builtins.bytes'),
    (dict, 'mmengine.config.config.ConfigDict'),
    (_Array, 'numpy.ndarray'),
    (_Type, 'numpy.dtype'),
    # Private names, which numpy 2 changed.
    (_Array, 'numpy.core.multiarray._reconstruct'),
    (_Array, 'numpy._core.multiarray._reconstruct'),
    (_scalar, 'numpy.core.multiarray.scalar'),
    (_scalar, 'numpy._core.multiarray.scalar'),
]


def plain(value: Any) -> Any:
    """Put what was rebuilt in the place of its stand-ins, container-wise."""
    if isinstance(value, _Array | _Type):
        return value.value
    if type(value) is tuple:
        return tuple(map(plain, value))
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            value[key] = plain(value[key])
    return value

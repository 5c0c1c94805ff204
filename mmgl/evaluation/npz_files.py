"""Reading .npz files that users give."""

import json
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmgl.utils.errors import ConfigError

# A small file may claim to unpack to more than any memory holds.
_MOST_TIMES, _FREE_BYTES = 50, 2**26


def load_npz(
    path: str | Path, names: Collection[str]
) -> dict[str, npt.NDArray[Any]]:
    """Read some arrays, running no code; ConfigError if it is damaged."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'feature file {path} does not exist.')
    try:
        most = _MOST_TIMES * path.stat().st_size + _FREE_BYTES
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > most:
            raise ValueError(f'it would unpack to {size} bytes')
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in names if name in data}
    except PermissionError:
        raise
    except Exception as error:  # broken bytes raise nearly everything
        raise ConfigError(
            f'{path} is no sound .npz file of numbers '
            f'({type(error).__name__}: {error}); write it again with '
            'numpy.savez.'
        ) from error


def read_rows(
    path: str | Path, name: str, stored: npt.NDArray[Any] | None
) -> list[dict[str, Any]]:
    """Read a field that is a list of dicts as JSON; empty without it."""
    if stored is None:
        return []
    try:
        rows = json.loads(str(stored.item()))
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError('no list of dicts')
        return list(rows)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f'{path}: the field {name} is no list of dicts ({error})'
        ) from None

"""Reading MATLAB files that users give."""

from pathlib import Path

from mmgl.protocols import matfile
from mmgl.utils.errors import ConfigError


def load_mat(path: str | Path) -> dict[str, matfile.Array]:
    """Read numbers and cells of numbers; see :mod:`mmgl.protocols.matfile`.

    A file that is damaged or something else is a ConfigError.
    """
    try:
        return matfile.load_mat(path)
    except ValueError as error:
        raise ConfigError(str(error)) from error

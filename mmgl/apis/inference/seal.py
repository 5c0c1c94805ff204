"""A hash at the end of an ONNX file, which tells whether it is whole.

Files are messages of protobuf: what is appended to one is merged into it. So
the hash of all before is one more entry of the metadata, the last.
"""

import hashlib
from pathlib import Path

from mmgl.utils.errors import ConfigError
from mmgl.utils.files import replace_whole

from .onnx_contents import check_contents

_KEY = b'sha256'
# Field 14 of a model, an entry of field 1, the key, and field 2, the value.
_HEAD = bytes([14 << 3 | 2, 74, 1 << 3 | 2, len(_KEY), *_KEY, 2 << 3 | 2, 64])


def seal(path: Path) -> None:
    """Append the hash of a file to it, if :func:`read_sealed` would take it.

    Raises:
        ConfigError: If it would not.
    """
    data = path.read_bytes()
    _check(path, data)
    with replace_whole(path) as partial:
        partial.write_bytes(data + _seal_of(data))


def read_sealed(path: Path) -> bytes:
    """Read a file, compare it with its hash, and look into it.

    Raises:
        ConfigError: If it is not as it was sealed, or needs more than itself.
    """
    data = path.read_bytes()
    end = len(data) - len(_HEAD) - 64
    if end < 0 or data[end:] != _seal_of(data[:end]):
        raise ConfigError(
            f'{path} is damaged, or not as mmgl export wrote it; copy it '
            'again or export again'
        )
    _check(path, data)
    return data


def _check(path: Path, data: bytes) -> None:
    try:
        check_contents(data)
    except ValueError as error:
        raise ConfigError(
            f'{path} is no plain network ({error}); use the bundle'
        ) from None


def _seal_of(data: bytes) -> bytes:
    return _HEAD + hashlib.sha256(data).hexdigest().encode()

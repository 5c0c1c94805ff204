"""A reader of MATLAB files (version 5, as ``-v6`` and ``-v7`` write them).

scipy's reader trusts the sizes in a file: a damaged one may end the process.
Here each size is compared with the bytes that are there. Read are numbers
and cells of numbers; variables of other kinds are left out.
"""

import math
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

HEADER_BYTES = 128
# The limit of the format; a small file may claim to unpack to more.
MAX_BYTES = 2**31
MAX_DEPTH = 4
NUMBERS = {
    1: 'i1',
    2: 'u1',
    3: 'i2',
    4: 'u2',
    5: 'i4',
    6: 'u4',
    7: 'f4',
    9: 'f8',
    12: 'i8',
    13: 'u8',
}
INT32, UINT32, MATRIX, COMPRESSED = 5, 6, 14, 15
CELL, NUMERIC = 1, range(6, 16)
COMPLEX = 0x0800


class _Reader:
    """The elements that follow one another in some bytes."""

    def __init__(self, data: memoryview, order: str) -> None:
        self.data, self.order = data, order

    def words(self, start: int) -> tuple[int, int]:
        """Read two numbers of 32 bits."""
        first, second = np.frombuffer(self.data, f'{self.order}u4', 2, start)
        return int(first), int(second)

    def element(self) -> tuple[int, memoryview]:
        """Take the next element off: its kind and its bytes."""
        kind, size = self.words(0)
        begin, end = 8, 8 + size
        if kind >> 16:  # four bytes or fewer, in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            begin, end = 4, 4 + size
            after = 8
        else:
            after = end if kind == COMPRESSED else end + -size % 8
        if end > len(self.data) or size > 4 and begin == 4:
            raise ValueError(f'{size} bytes promised, fewer are there')
        body, self.data = self.data[begin:end], self.data[after:]
        return kind, body

    def numbers(self, kinds: Collection[int] = NUMBERS.keys()) -> Array:
        """Take an element of numbers, of some kinds, off."""
        kind, body = self.element()
        if kind not in kinds:
            raise ValueError(f'numbers of kind {kind}')
        values = np.frombuffer(body, f'{self.order}{NUMBERS[kind]}')
        return values.astype(values.dtype.newbyteorder('='))

    def matrix(self, depth: int = 0) -> tuple[str, Array | None]:
        """Read the parts of a matrix: name and values, None if left out."""
        if not self.data:  # an empty entry of a cell
            return '', np.zeros((0, 0))
        flags = int(self.numbers([UINT32])[0])
        shape = tuple(self.numbers([INT32]).tolist())
        name = bytes(self.element()[1]).decode('latin-1')
        kind = flags & 0xFF
        if not shape or len(shape) > 32 or min(shape) < 0:
            raise ValueError(f'the shape {shape}')
        values: Array
        if kind == CELL:
            values = self.cell(math.prod(shape), depth + 1)
        elif kind in NUMERIC:
            values = self.numbers()
            if flags & COMPLEX:
                values = values + 1j * self.numbers()
        else:
            return name, None
        return name, values.reshape(shape, order='F')

    def cell(self, count: int, depth: int) -> Array:
        """Read the entries of a cell."""
        # Each has a tag of eight bytes.
        if count * 8 > len(self.data) or depth > MAX_DEPTH:
            raise ValueError(f'a cell of {count} entries at depth {depth}')
        values = np.empty(count, dtype=object)
        for place in range(count):
            kind, body = self.element()
            if kind != MATRIX:
                raise ValueError(f'a cell entry of kind {kind}')
            entry = _Reader(body, self.order).matrix(depth)[1]
            if entry is None:
                raise ValueError('a cell of something else than numbers')
            values[place] = entry
        return values


def _unpacked(body: memoryview, order: str) -> memoryview:
    """Unpack a compressed element, no further than its own tag promises."""
    packed = zlib.decompressobj()
    start = packed.decompress(body, 8)
    size = _Reader(memoryview(start), order).words(0)[1]
    if size > MAX_BYTES:
        raise ValueError(f'{size} bytes promised, more than {MAX_BYTES}')
    rest = packed.decompress(packed.unconsumed_tail, size + 1)
    if not packed.eof or len(rest) != size:
        raise ValueError(f'{size} bytes promised, others are there')
    return memoryview(start + rest)


def load_mat(path: str | Path) -> dict[str, Array]:
    """Read the variables of a MATLAB file that are numbers or cells of them.

    Numbers have the type they are stored as, cells the type ``object``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: In one sentence, if it is damaged or something else.
        NotImplementedError: For version 7.3, which is HDF5.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no file {path}')
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f'{path} is larger than {MAX_BYTES} bytes')
    content = path.read_bytes()
    order = {b'IM': '<', b'MI': '>'}.get(content[126:HEADER_BYTES], '')
    version = content[124:126][:: 1 if order == '>' else -1]
    if order and version == b'\2\0':
        raise NotImplementedError(f'{path} is of version 7.3; save it by -v7')
    result: dict[str, Array] = {}
    try:
        if not order or version != b'\1\0':
            raise ValueError('no header of version 5')
        file = _Reader(memoryview(content)[HEADER_BYTES:], order)
        while file.data:
            kind, body = file.element()
            if kind == COMPRESSED:
                kind, body = _Reader(_unpacked(body, order), order).element()
            if kind != MATRIX:
                raise ValueError(f'a variable of kind {kind}')
            name, values = _Reader(body, order).matrix()
            if values is not None:
                result[name] = values
    except (ValueError, IndexError, zlib.error) as error:
        raise ValueError(
            f'{path} cannot be read as a MATLAB file ({error}); restore it, '
            'or save it again by -v7'
        ) from error
    return result

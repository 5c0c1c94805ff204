"""A look into an ONNX file before a runtime sees it, with nothing but bytes.

What is exported is one straight computation of standard operators on tensors
inside of the file. Anything else may read other files or never end.
"""

from collections.abc import Iterator
from typing import TypeAlias

Field: TypeAlias = tuple[int, int | memoryview]

# Numbers of the fields in onnx.proto.
_GRAPH, _FUNCTIONS = 7, 25
_NODE, _TENSOR, _SPARSE = 1, 5, 15
_ATTRIBUTE, _DOMAIN = 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS = 5, 10
# Attributes that an operator must not have.
_INNER = {6: 'a graph', 11: 'graphs', 22: 'sparse data', 23: 'sparse data'}
# Names of ONNX's own domain.
_OWN = (b'', b'ai.onnx')
_ELSEWHERE = (13, 14)  # external_data, data_location


def check_contents(data: bytes) -> None:
    """Refuse what no exported network holds.

    Raises:
        ValueError: If bytes are no messages of protobuf, tensors lie in other
            files, or operators are foreign, loop or branch.
    """
    for number, graph in _fields(memoryview(data)):
        if number == _FUNCTIONS:
            raise ValueError('it has functions')
        if number != _GRAPH:
            continue
        for kind, part in _fields(graph):
            if kind == _NODE:
                _check_node(part)
            elif kind == _TENSOR:
                _check_tensor(part)
            elif kind == _SPARSE:
                raise ValueError('it has sparse tensors')


def _check_node(node: int | memoryview) -> None:
    for number, value in _fields(node):
        if number == _DOMAIN and bytes(_message(value)) not in _OWN:
            raise ValueError('it has operators that are not of ONNX')
        if number != _ATTRIBUTE:
            continue
        for kind, part in _fields(value):
            if kind in _INNER:
                raise ValueError(f'an operator has {_INNER[kind]} inside')
            if kind in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                _check_tensor(part)


def _check_tensor(tensor: int | memoryview) -> None:
    for number, value in _fields(tensor):
        if number in _ELSEWHERE and value != 0:
            raise ValueError('it has tensors in other files')


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError('it is damaged')
    return value


def _fields(message: int | memoryview) -> Iterator[Field]:
    """Yield numbers and values of the fields of a message."""
    data, at = _message(message), 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind, -1)
        if kind == 2:
            size, at = _varint(data, at)
        if not 0 <= size <= len(data) - at:
            raise ValueError('it is damaged')
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a number of up to ten bytes, and where the next thing begins."""
    value = 0
    for shift, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError('it is damaged')

"""The tables of an embedded gallery, and parts of statements."""

import zlib
from collections.abc import Iterator
from typing import Any

# 'mmgl', in the header of the file.
APPLICATION = 0x6D6D676C
SCHEMA = f"""
PRAGMA application_id = {APPLICATION};
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    feature BLOB NOT NULL,
    metadata TEXT NOT NULL,
    person TEXT, camera TEXT, modality TEXT, time REAL
);
CREATE TABLE gone (seq INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL);
CREATE INDEX by_person ON items (person);
CREATE INDEX by_camera ON items (camera);
CREATE INDEX by_time ON items (time);
"""
INSERT = (
    'INSERT INTO items (name, feature, metadata, person, camera, modality, '
    'time) VALUES (?, ?, ?, ?, ?, ?, ?)'
)
# Of a statement; older versions of SQLite take no more.
_MAX_VARIABLES = 900


def sealed(data: bytes) -> bytes:
    """Append a check sum, which SQLite has not."""
    return data + zlib.crc32(data).to_bytes(4, 'little')


def portions(values: list[Any]) -> Iterator[tuple[list[Any], str]]:
    """Yield values, not too many at a time, and the marks for them."""
    for start in range(0, len(values), _MAX_VARIABLES):
        some = values[start : start + _MAX_VARIABLES]
        yield some, ', '.join('?' * len(some))


def clause(where: list[Any]) -> tuple[str, list[Any]]:
    """Write checked conditions in SQL, values apart."""
    parts, values = [], []
    for key, kind, given in where:
        if kind == 'in':
            parts.append(f'{key} IN ({", ".join("?" * len(given))})')
            values += given
            continue
        parts.append(f'{key} IS NOT NULL')
        for sign, end in zip(('>=', '<='), given, strict=True):
            if end is not None:
                parts.append(f'{key} {sign} ?')
                values.append(end)
    return (' WHERE ' + ' AND '.join(parts) if parts else ''), values

"""The tables of an embedded gallery, and parts of statements."""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mmgl.utils.errors import ConfigError

from .records import FIELDS, Record, check_metadata, check_names

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
# What is read of a record, and in which order.
ROW = f'id, feature, name, metadata, {", ".join(FIELDS)}'
# Of a statement; older versions of SQLite take no more.
_MAX_VARIABLES = 900


def is_new(db: sqlite3.Connection, path: Path) -> bool:
    """Tell whether nothing is in a database yet.

    Raises:
        ConfigError: If there is something else than a gallery, such as views
            and triggers, which would run what they say.
    """
    (application,) = db.execute('PRAGMA application_id').fetchone()
    tables = _tables(db)
    if not tables and not application:
        return True
    if application != APPLICATION:
        raise ConfigError(
            f'{path} is a database of something else; choose another file '
            'for the gallery'
        )
    with closing(sqlite3.connect(':memory:')) as right:
        right.executescript(SCHEMA)
        if tables != _tables(right):
            raise ConfigError(
                f'{path} has other tables than a gallery of this version; '
                'restore a copy'
            )
    return False


def _tables(db: sqlite3.Connection) -> dict[str, Any]:
    """Describe tables, indexes, views and triggers."""
    rows = db.execute('SELECT name, type, sql FROM sqlite_master')
    return {
        name: (kind, sql)
        for name, kind, sql in rows
        # Its own book-keeping, such as of ANALYZE.
        if not str(name).startswith('sqlite_')
    }


def sealed(feature: bytes, *rest: Any) -> bytes:
    """Append a check sum, which SQLite has not, of a whole record.

    ``rest`` are its name, metadata and fields; galleries of earlier versions
    have check sums of the features alone.
    """
    text = json.dumps(rest).encode() if rest else b''
    return feature + zlib.crc32(text, zlib.crc32(feature)).to_bytes(
        4, 'little'
    )


def is_whole(row: Sequence[Any], size: int) -> bool:
    """Tell whether a row (``ROW``) is as it was written."""
    _, stored, *rest = row
    if not isinstance(stored, bytes) or len(stored) != size + 4:
        return False
    if not all(isinstance(one, str | float | None) for one in rest):
        return False
    return stored in (sealed(stored[:size], *rest), sealed(stored[:size]))


def record_of(row: Sequence[Any], feature: Any) -> Record:
    """Make a record of a row that is whole; a ValueError if it makes none."""
    _, _, name, text, *fields = row
    entry = json.loads(text)
    (known,) = check_metadata([entry], 1)
    if known != entry or fields != [known.get(key) for key in FIELDS]:
        raise ValueError(f'the fields of {name!r:.80} are not its metadata')
    check_names([name])
    return Record(name, feature, known)


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
            # One variable, of which there may not be many.
            parts.append(f'{key} IN (SELECT value FROM json_each(?))')
            values.append(json.dumps(given))
            continue
        parts.append(f'{key} IS NOT NULL')
        for sign, end in zip(('>=', '<='), given, strict=True):
            if end is not None:
                parts.append(f'{key} {sign} ?')
                values.append(end)
    return (' WHERE ' + ' AND '.join(parts) if parts else ''), values

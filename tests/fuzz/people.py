"""Galleries of people: calls that make no sense, files that lie."""

import contextlib
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmgl.gallery.statements import ROW, sealed

from .cases import Try, anything, attack, damaged, refused, same
from .people_calls import CALLS, UNIT

WIDTH = 8


def asked(path: Path, model: str | None = None) -> Callable[[], object]:
    """All that a gallery says, and a change of it that is taken back."""

    def run() -> object:
        from mmgl.gallery.gallery import Gallery

        with Gallery.open(path, model, create=False) as gallery:
            query = np.random.default_rng(1).normal(size=(2, WIDTH))
            said: list = [gallery.names(), len(gallery)]
            said += [
                [(r.name, r.feature.tolist(), r.metadata) for r in gallery],
                gallery.count(dict(camera='1')),
                gallery.names(dict(time=(3, 20))),
                *(_matches(gallery, query, where) for where in WHERES),
            ]
            gallery.upsert(query, ['new/a', 'new/b'], [dict(person='n')] * 2)
            said.append(_matches(gallery, query[:1], None)[0])
            said.append(gallery.delete(where=dict(person='n')))
            return [*said, len(gallery)]

    return run


def _matches(gallery: object, query: np.ndarray, where: object) -> list:
    return [
        (match.name, round(match.score, 5), match.metadata)
        for row in gallery.search(query, 40, where)
        for match in row
    ]


WHERES = None, dict(person=['p1', 'p2']), dict(camera='2', time=(None, 9))
Script = str | tuple[str, tuple]


def stored(vector: np.ndarray | list, kind: type = np.float32) -> bytes:
    """A feature with its check sum, whatever it is."""
    return sealed(np.asarray(vector, kind).tobytes())


def _feature(value: object, number: int = 5) -> tuple[str, tuple]:
    return 'UPDATE items SET feature = ? WHERE id = ?', (value, number)


def _metadata(value: object) -> Script:
    return 'UPDATE items SET metadata = ? WHERE id = 5', (value,)


def _name(value: object) -> Script:
    return 'UPDATE items SET name = ? WHERE id = 5', (value,)


def _fact(value: str, key: str = 'dimensions') -> Script:
    return 'UPDATE facts SET value = ? WHERE key = ?', (value, key)


# Statements that their author runs on a good gallery.
SCRIPTS: dict[str, list[Script]] = {
    'NaN': [_feature(stored(UNIT * np.nan))],
    'infinite': [_feature(stored(UNIT * np.inf))],
    'zero': [_feature(stored(UNIT * 0))],
    'long vector': [_feature(stored(UNIT * 1e20))],
    'narrow': [_feature(stored(UNIT[1:]))],
    'wide': [_feature(stored([*UNIT, 0]))],
    'double': [_feature(stored(UNIT, np.float64))],
    'another vector': [_feature(np.float32(UNIT).tobytes() + b'abcd')],
    'no feature': [_feature(b'')],
    'text for a feature': [_feature('a' * 36)],
    'number for a feature': [_feature(36)],
    'lost metadata': [_metadata('')],
    'cut metadata': [_metadata('{"person": "p1"')],
    'list of metadata': [_metadata('[1]')],
    'null metadata': [_metadata('null')],
    'NaN in metadata': [_metadata('{"time": NaN}')],
    'deep metadata': [_metadata('[' * 10**5)],
    'blob of metadata': [_metadata(b'\x80\x02cos\nsystem\n.')],
    'number of metadata': [_metadata(7)],
    'other metadata': [_metadata('{"person": "p9", "camera": "9"}')],
    'blob as name': [_name(b'\xff\xfe')],
    'number as name': [_name(7)],
    'no name': [_name('')],
    'NUL in a name': [_name('a\0b')],
    'line in a name': [_name('a\nb')],
    'long name': [_name('a' * 10**6)],
    'broken name': [
        ('UPDATE items SET name = CAST(? AS TEXT) WHERE id = 5', (b'\xff',))
    ],
    'other person': ["UPDATE items SET person = 'p9' WHERE id = 5"],
    'person of bytes': [
        ('UPDATE items SET person = ? WHERE id = 5', (b'p1',))
    ],
    'text as time': ["UPDATE items SET time = 'now' WHERE id = 5"],
    'no dimensions': ["DELETE FROM facts WHERE key = 'dimensions'"],
    'words for dimensions': [_fact('abc')],
    'negative dimensions': [_fact('-8')],
    'zero dimensions': [_fact('0')],
    'huge dimensions': [_fact('9' * 30)],
    'many dimensions': [_fact(str(10**9))],
    'half a dimension': [_fact('8.5')],
    'digits of others': [_fact('\u0668')],
    'no facts': ['DROP TABLE facts'],
    'no items': ['DROP TABLE items'],
    'nothing gone': ['DROP TABLE gone'],
    'view': [
        'ALTER TABLE items RENAME TO hidden',
        'CREATE VIEW items AS SELECT * FROM hidden',
    ],
    'view of nothing': [
        'DROP TABLE items',
        'CREATE VIEW items AS SELECT * FROM items',
    ],
    'endless view': [
        'DROP TABLE gone',
        'CREATE VIEW gone AS WITH RECURSIVE n(seq, id) AS (SELECT 1, 1 '
        'UNION ALL SELECT seq + 1, 1 FROM n) SELECT * FROM n',
    ],
    'trigger that deletes': [
        'CREATE TRIGGER evil AFTER INSERT ON items BEGIN '
        'DELETE FROM items WHERE id < 9; END'
    ],
    'trigger that changes': [
        'CREATE TRIGGER evil AFTER INSERT ON gone BEGIN '
        "UPDATE items SET name = 'x' || name; END"
    ],
    'generated column': [
        "ALTER TABLE items ADD COLUMN evil TEXT AS ('a' || name)"
    ],
    'another column': ['ALTER TABLE items ADD COLUMN evil TEXT'],
    'another table': ['CREATE TABLE evil (a)'],
    'search table': ['CREATE VIRTUAL TABLE evil USING fts5(a)'],
    'no index': ['DROP INDEX by_person'],
    'index that lies': [
        'PRAGMA writable_schema = ON',
        "UPDATE sqlite_master SET sql = replace(sql, '(person)', '(camera)') "
        "WHERE name = 'by_person'",
    ],
    'column that may be missing': [
        'PRAGMA writable_schema = ON',
        "UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') "
        "WHERE name = 'items'",
    ],
    'application of others': ['PRAGMA application_id = 252006673'],
    'no application': ['PRAGMA application_id = 0'],
    'gone and there': ['INSERT INTO gone (id) SELECT id FROM items'],
    'gone forever': [
        'INSERT INTO gone (seq, id) VALUES (9223372036854775807, 1)'
    ],
    'last number': ['UPDATE items SET id = 9223372036854775807 WHERE id = 5'],
    'negative number': ['UPDATE items SET id = -5 WHERE id = 5'],
    'another database': [
        *('DROP TABLE facts', 'DROP TABLE items', 'DROP TABLE gone'),
        'CREATE TABLE moz_places (url TEXT)',
        'PRAGMA application_id = 0',
    ],
}
# Nothing tells them from what a gallery itself has written.
TAKEN = 'gone and there', 'number as name'


def _run(path: Path, script: list[Script]) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    for one in script:
        db.execute(*(one if isinstance(one, tuple) else (one,)))
    with contextlib.suppress(sqlite3.Error):
        for row in db.execute(f'SELECT {ROW} FROM items').fetchall():
            seen, rest = row[1], row[2:]
            if isinstance(seen, bytes) and seen[-4:] != b'abcd':
                with contextlib.suppress(TypeError):
                    db.execute(*_feature(sealed(seen[:-4], *rest), row[0]))
    db.close()


def _specials(path: Path) -> dict[str, Callable[[], object]]:
    def bound() -> None:
        os.chdir(path.parent)
        socket.socket(socket.AF_UNIX).bind(path.name)

    return {
        'gone': lambda: None,
        'empty': path.touch,
        'text': lambda: path.write_text('no gallery ' * 99),
        'folder': path.mkdir,
        'pipe': lambda: os.mkfifo(path),
        'socket': bound,
        'loop': lambda: path.symlink_to(path),
        'dangling link': lambda: path.symlink_to('gone'),
        'device': lambda: path.symlink_to('/dev/zero'),
        'unwritable': lambda: path.symlink_to('/etc/passwd'),
    }


GOOD = {'quotes': None, 'many persons': 1, 'number of names': 0}
FIXED = [
    *(('call', kind) for kind in CALLS),
    *(('script', kind) for kind in SCRIPTS),
    *(('file', kind) for kind in _specials(Path())),
    ('file', 'good'),
    ('file', 'of another model'),
]


@attack('people', short=60, long=len(FIXED) + 300, seconds=30)
def people(
    base: Path, folder: Path, number: int, rng: np.random.Generator
) -> Try:
    """Calls, files that lie, then pages damaged."""
    path = folder / 'people.db'
    shutil.copy(base / 'people.db', path)
    # Steps that share no factor with their number visit all.
    fixed = FIXED[number * 101 % len(FIXED)]
    place, kind = fixed if number < len(FIXED) else ('page', '')
    run = asked(path)
    if place == 'call':
        run = _called(path, CALLS[kind])
        fine = same((GOOD[kind], 30)) if kind in GOOD else refused
        if kind == 'quotes':
            fine = same((None, 31))
        return Try(f'call, {kind}', run, fine)
    if place == 'script':
        _run(path, SCRIPTS[kind])
        fine = anything if kind in TAKEN else refused
        return Try(f'script, {kind}', run, fine)
    if kind == 'good':
        return Try('good', run, anything, must_work=True)
    if kind == 'of another model':
        _run(path, ["INSERT INTO facts VALUES ('model_hash', 'abc')"])
        return Try(kind, asked(path, 'b' * 64))
    if place == 'file':
        path.unlink()
        _specials(path)[kind]()
        return Try(f'file, {kind}', run)
    whole = asked(folder / 'whole.db')
    shutil.copy(path, folder / 'whole.db')
    kind, data = damaged(path.read_bytes(), rng)
    path.write_bytes(data)
    return Try(f'page, {kind}', run, same(whole()))


def _called(path: Path, call: Callable) -> Callable[[], object]:
    def run() -> object:
        from mmgl.gallery.gallery import Gallery

        with Gallery.open(path) as gallery:
            try:
                return call(gallery), len(gallery)
            except ValueError:
                # Nothing of it was kept.
                if len(gallery) != 30:
                    raise RuntimeError(f'{len(gallery)} records') from None
                raise

    return run

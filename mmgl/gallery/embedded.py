"""A gallery in one SQLite file, searched exactly in memory."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmgl.utils.errors import ConfigError

from .records import FIELDS, Features, Match, Record, check_names
from .statements import (
    INSERT,
    ROW,
    SCHEMA,
    clause,
    is_new,
    is_whole,
    portions,
    record_of,
    sealed,
)
from .vectors import Vectors

# Vectors read at a time.
_BLOCK = 4096
# Seconds to wait for another process that writes.
_PATIENCE = 10.0
_MOST_DIMENSIONS = 2**16


class EmbeddedEngine:
    """Records in SQLite: one transaction a call, synchronised to the disk.

    A record that is replaced gets a new number, and numbers of deleted ones
    are kept, so that a process sees what another one has changed without
    reading everything again. May be used by several threads.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self._lock = threading.RLock()
        self.model_hash: str | None = None
        self._dimensions: int | None = None
        self._vectors: Vectors | None = None
        # Up to where changes of the file are known.
        self._item = self._gone = 0
        if not self.path.parent.is_dir():
            raise ConfigError(
                f'there is no folder {self.path.parent} for gallery '
                f'{self.path.name}'
            )
        if self.path.exists() and not self.path.is_file():
            raise ConfigError(f'gallery {self.path} is no file')
        self._db = sqlite3.connect(
            self.path,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            with self._transaction():
                self._open()
        except ConfigError:
            self._db.close()
            raise

    def _open(self) -> None:
        """Check or make the tables."""
        run = self._db.execute
        # No function that a file names is run.
        run('PRAGMA trusted_schema = OFF')
        if is_new(self._db, self.path):
            # Several vectors fit on a page.
            run('PRAGMA page_size = 16384')
            run('PRAGMA journal_mode = WAL')
            with closing(self._db.cursor()) as cursor:
                cursor.executescript(f'BEGIN IMMEDIATE; {SCHEMA} COMMIT;')
        run('PRAGMA journal_mode = WAL')
        run('PRAGMA synchronous = FULL')
        self._read_facts()

    def _read_facts(self) -> None:
        facts = dict(self._db.execute('SELECT key, value FROM facts'))
        if 'dimensions' in facts and self._vectors is None:
            stored = str(facts['dimensions'])
            dimensions = int(stored) if stored.isdecimal() else 0
            good = stored == str(dimensions)
            if not good or not 0 < dimensions <= _MOST_DIMENSIONS:
                raise self._damaged(f'its features have {stored:.80} numbers')
            self._dimensions = dimensions
            self.model_hash = facts.get('model_hash')
            self._vectors = Vectors(self._dimensions)

    @property
    def dimensions(self) -> int | None:
        """Length of the features, None before there are any."""
        if self._dimensions is None:
            # Another process may have begun to fill the file.
            with self._transaction():
                self._read_facts()
        return self._dimensions

    @contextmanager
    def _transaction(self, write: bool = False) -> Iterator[None]:
        """Serialise threads, commit or roll back, and translate errors."""
        with self._lock:
            try:
                if write:
                    self._db.execute('BEGIN IMMEDIATE')
                yield
                if write:
                    self._db.execute('COMMIT')
            except sqlite3.Error as error:
                self._roll_back()
                raise ConfigError(self._explain(error)) from None
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute('ROLLBACK')

    def _explain(self, error: sqlite3.Error) -> str:
        text = str(error)
        if 'locked' in text:
            return (
                f'gallery {self.path} has been written by another process for '
                f'{_PATIENCE:.0f} seconds; try again'
            )
        if 'full' in text or 'readonly' in text:
            return f'gallery {self.path} cannot be written ({text})'
        return f'gallery {self.path} is damaged or no gallery ({text})'

    def _damaged(self, what: str) -> ConfigError:
        return ConfigError(
            f'gallery {self.path} is damaged: {what}; restore a copy'
        )

    def describe(self, dimensions: int, model_hash: str | None) -> None:
        """Fix length and model of the features, once."""
        with self._transaction(write=True):
            facts = {'dimensions': str(dimensions)}
            if model_hash:
                facts['model_hash'] = model_hash
            self._db.executemany(
                'INSERT OR IGNORE INTO facts VALUES (?, ?)', facts.items()
            )
        if self.dimensions != dimensions:
            raise ConfigError(
                f'another process fills gallery {self.path} with features of '
                f'{self.dimensions} numbers, not of {dimensions}'
            )

    def upsert(
        self,
        names: list[str],
        features: Features,
        metadata: list[dict[str, Any]],
    ) -> None:
        """Add records or replace them, in one transaction."""
        rows = []
        for name, feature, entry in zip(
            names, features, metadata, strict=True
        ):
            rest = json.dumps(entry), *(entry.get(key) for key in FIELDS)
            rows.append((name, sealed(feature.tobytes(), name, *rest), *rest))
        with self._transaction(write=True):
            self._delete(names)
            self._db.executemany(INSERT, rows)

    def delete(self, names: list[str]) -> int:
        """Delete records, and say how many there were."""
        with self._transaction(write=True):
            return self._delete(names)

    def _delete(self, names: list[str]) -> int:
        count = 0
        for some, marks in portions(names):
            found = f'FROM items WHERE name IN ({marks})'
            self._db.execute(f'INSERT INTO gone (id) SELECT id {found}', some)
            count += self._db.execute(f'DELETE {found}', some).rowcount
        return count

    def get(self, names: list[str]) -> dict[str, Record]:
        """Return those of the records that there are."""
        with self._transaction():
            records = self._records('name', names)
        return {record.name: record for record in records.values()}

    def _records(self, key: str, values: list[Any]) -> dict[int, Record]:
        """Read records by name or number; by their number."""
        found = {}
        for some, marks in portions(values):
            for row in self._db.execute(
                f'SELECT {ROW} FROM items WHERE {key} IN ({marks})', some
            ):
                (vector,) = self._unseal([row])
                try:
                    found[row[0]] = record_of(row, vector)
                except (ValueError, RecursionError) as error:
                    raise self._damaged(str(error)) from None
        return found

    def names(self, where: list[Any]) -> list[str]:
        """List the records, sorted."""
        chosen, values = clause(where)
        with self._transaction():
            rows = self._db.execute(
                f'SELECT name FROM items{chosen} ORDER BY name', values
            )
            return check_names(name for (name,) in rows)

    def count(self, where: list[Any]) -> int:
        """Count the records."""
        chosen, values = clause(where)
        with self._transaction():
            rows = self._db.execute(
                f'SELECT count(*) FROM items{chosen}', values
            )
            return int(rows.fetchone()[0])

    def search(
        self, features: Features, top: int, where: list[Any]
    ) -> list[list[Match]]:
        """Return the best matches of one state of the file."""
        chosen, values = clause(where)
        vectors = self._vectors
        if vectors is None:
            return [[] for _ in features]
        with self._transaction():
            # Reads between BEGIN and COMMIT see one state.
            self._db.execute('BEGIN')
            self._update(vectors)
            among = None
            if chosen:
                ids = self._db.execute(f'SELECT id FROM items{chosen}', values)
                among = np.fromiter((one for (one,) in ids), np.int64)
            scores, found = vectors.search(features, top, among)
            shown = self._records('id', np.unique(found).tolist())
            self._db.execute('COMMIT')
        return [
            [
                Match(shown[i].name, float(score), dict(shown[i].metadata))
                for score, i in zip(*row, strict=True)
            ]
            for row in zip(scores, found.tolist(), strict=True)
        ]

    def _update(self, vectors: Vectors) -> None:
        """Bring the vectors in memory to the state of the file."""
        run = self._db.execute
        before = self._gone, self._item
        for seq, number in run(
            'SELECT seq, id FROM gone WHERE seq > ? ORDER BY seq', [self._gone]
        ):
            vectors.delete(number)
            self._gone = seq
        new = 'FROM items WHERE id > ?'
        (count,) = run(f'SELECT count(*) {new}', [self._item]).fetchone()
        vectors.reserve(count)
        rows = run(f'SELECT {ROW} {new} ORDER BY id', [self._item])
        while block := rows.fetchmany(_BLOCK):
            vectors.add([row[0] for row in block], self._unseal(block))
            self._item = block[-1][0]
        if before != (self._gone, self._item) or not len(vectors):
            (count,) = run('SELECT count(*) FROM items').fetchone()
            if count != len(vectors):
                raise self._damaged(f'{count} records, {len(vectors)} found')

    def _unseal(self, rows: Sequence[Sequence[Any]]) -> Features:
        """Read features, and refuse what a disk has changed."""
        size = 4 * (self.dimensions or 0)
        if not all(is_whole(row, size) for row in rows):
            raise self._damaged('a record is not what was written')
        joined = np.frombuffer(b''.join(row[1] for row in rows), np.float32)
        features: Features = joined.reshape(len(rows), -1)[:, :-1]
        lengths = np.linalg.norm(features, axis=1)
        if not bool((np.abs(lengths - 1) < 1e-3).all()):
            raise self._damaged('a feature is not of length 1')
        return features

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

"""A gallery on a Milvus server, or in its embedded form Milvus Lite."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mmgl.utils.errors import ConfigError, missing_packages

from .records import FIELDS, Features, Match, Record

LITE = 'milvus-lite:'
# The name tells length and model of the features: a description of a
# collection is not kept by every form of Milvus.
_NAME = re.compile(r'mmgl_people_d(\d+)_m([0-9a-f]*)')
_TEXT = 65535
# Times that nothing has; a range with an open end must not find it.
_NEVER = -1e300
_MAX_TOP = 16384
# Of one message, below the limit of 64 MiB.
_MAX_BYTES = 48 << 20
_BLOCK = 1000


class MilvusEngine:
    """Records in one collection, with exact search by default.

    Keys are digests of the names and texts to filter by are written in
    hexadecimal, since an expression with an unescaped text can reach other
    people's records. Of equal similarities any may come first.

    ``index`` 'FLAT' is exact; 'HNSW' is faster for millions, and loses
    matches where a filter leaves few.
    """

    def __init__(self, address: str, index: str = 'FLAT') -> None:
        with missing_packages(f'gallery {address}', '"mmgl[milvus]"'):
            from pymilvus import DataType, MilvusClient
            from pymilvus.exceptions import MilvusException
        self.address, self.index = address, index
        self._types, self._error = DataType, MilvusException
        self._lock = threading.RLock()
        self._collection: str | None = None
        self.dimensions: int | None = None
        self.model_hash: str | None = None
        try:
            self._client = MilvusClient(address.removeprefix(LITE))
        except (MilvusException, OSError, ValueError) as error:
            raise ConfigError(
                f'gallery {address} cannot be opened ({error}); is the '
                'server up, or the file used by another process?'
            ) from None
        with self._translated():
            self._find()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except self._error as error:
                raise ConfigError(f'gallery {self.address}: {error}') from None

    def _find(self) -> None:
        """Look for a collection that is there already."""
        found = [
            match
            for name in self._client.list_collections()
            if (match := _NAME.fullmatch(name))
        ]
        if len(found) > 1:
            raise ConfigError(
                f'{self.address} has several galleries of people; keep one '
                'a database'
            )
        if found:
            self._collection = found[0][0]
            self.dimensions = int(found[0][1])
            self.model_hash = found[0][2] or None
            self._client.load_collection(self._collection)

    def describe(self, dimensions: int, model_hash: str | None) -> None:
        """Make the collection."""
        types = self._types
        schema = self._client.create_schema(
            auto_id=False, enable_dynamic_field=False
        )
        schema.add_field('key', types.VARCHAR, is_primary=True, max_length=64)
        schema.add_field('vector', types.FLOAT_VECTOR, dim=dimensions)
        schema.add_field('record', types.VARCHAR, max_length=_TEXT)
        for name, kind in FIELDS.items():
            if kind is float:
                schema.add_field(name, types.DOUBLE)
            else:
                schema.add_field(name, types.VARCHAR, max_length=_TEXT)
        index = self._client.prepare_index_params()
        index.add_index('vector', index_type=self.index, metric_type='COSINE')
        with self._translated():
            self._client.create_collection(
                f'mmgl_people_d{dimensions}_m{model_hash or ""}',
                schema=schema,
                index_params=index,
                consistency_level='Strong',
            )
            self._find()

    def upsert(
        self,
        names: list[str],
        features: Features,
        metadata: list[dict[str, Any]],
    ) -> None:
        """Add records or replace them, in one message."""
        rows = [
            dict(
                key=_key(name),
                vector=feature.tolist(),
                record=json.dumps([name, entry], ensure_ascii=True),
                **{field: _stored(field, entry) for field in FIELDS},
            )
            for name, feature, entry in zip(
                names, features, metadata, strict=True
            )
        ]
        longest = max((len(row['record']) for row in rows), default=0)
        size = features.nbytes + sum(len(row['record']) for row in rows)
        if longest > _TEXT or size > _MAX_BYTES:
            raise ConfigError(
                f'Milvus takes {_TEXT} characters of metadata a record and '
                f'{_MAX_BYTES >> 20} MiB a call; give less'
            )
        if rows:
            with self._translated():
                self._client.upsert(self._collection, rows)

    def delete(self, names: list[str]) -> int:
        """Delete records, and say how many there were."""
        there = list(self.get(names))
        with self._translated():
            for start in range(0, len(there), _BLOCK):
                keys = [_key(name) for name in there[start : start + _BLOCK]]
                self._client.delete(self._collection, ids=keys)
        return len(there)

    def get(self, names: list[str]) -> dict[str, Record]:
        """Return those of the records that there are."""
        found: dict[str, Record] = {}
        if self._collection is None:
            return found
        with self._translated():
            for start in range(0, len(names), _BLOCK):
                keys = [_key(name) for name in names[start : start + _BLOCK]]
                for row in self._client.get(
                    self._collection,
                    ids=keys,
                    output_fields=['record', 'vector'],
                ):
                    name, metadata = json.loads(row['record'])
                    vector = np.asarray(row['vector'], np.float32)
                    found[name] = Record(name, vector, metadata)
        return found

    def names(self, where: list[Any]) -> list[str]:
        """List the records, sorted."""
        names: list[str] = []
        if self._collection is None:
            return names
        with self._translated():
            rows = self._client.query_iterator(
                self._collection,
                batch_size=_BLOCK,
                filter=_expression(where),
                output_fields=['record'],
            )
            while block := rows.next():
                names += [json.loads(row['record'])[0] for row in block]
            rows.close()
        return sorted(names)

    def count(self, where: list[Any]) -> int:
        """Count the records."""
        if self._collection is None:
            return 0
        with self._translated():
            rows = self._client.query(
                self._collection,
                filter=_expression(where),
                output_fields=['count(*)'],
            )
        return int(rows[0]['count(*)'])

    def search(
        self, features: Features, top: int, where: list[Any]
    ) -> list[list[Match]]:
        """Return the best matches."""
        if self._collection is None:
            return [[] for _ in features]
        with self._translated():
            found = self._client.search(
                self._collection,
                data=features.tolist(),
                limit=min(top, _MAX_TOP),
                filter=_expression(where),
                output_fields=['record'],
                search_params=dict(metric_type='COSINE'),
            )
        return [[_match(hit) for hit in hits] for hits in found]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _hex(text: str) -> str:
    return 'x' + text.encode().hex()


def _stored(field: str, entry: dict[str, Any]) -> Any:
    """Write a field to filter by; texts in hexadecimal, '' for none."""
    value = entry.get(field)
    if FIELDS[field] is float:
        return _NEVER if value is None else value
    return '' if value is None else _hex(value)


def _match(hit: Any) -> Match:
    name, metadata = json.loads(hit['entity']['record'])
    score = min(1.0, max(-1.0, float(hit['distance'])))
    return Match(name, score, metadata)


def _expression(where: list[Any]) -> str:
    """Write checked conditions; what comes from outside is in hexadecimal."""
    parts = []
    for field, kind, values in where:
        if kind == 'in' and FIELDS[field] is float:
            parts.append(f'{field} in {[float(value) for value in values]}')
        elif kind == 'in':
            parts.append(f'{field} in {json.dumps([*map(_hex, values)])}')
        else:
            low, high = values
            # Strictly above what stands for none.
            start = _NEVER / 2 if low is None else float(low)
            parts.append(f'{field} >= {start!r}')
            if high is not None:
                parts.append(f'{field} <= {float(high)!r}')
    return ' and '.join(parts)

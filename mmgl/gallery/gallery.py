"""One interface to the galleries of a running system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmgl.utils.errors import ConfigError

from .records import (
    Features,
    Match,
    Metadata,
    Record,
    Where,
    check_features,
    check_metadata,
    check_names,
    parse_where,
)

_BLOCK = 4096


class Engine(Protocol):
    """What keeps the records; all that it is given has been checked."""

    @property
    def dimensions(self) -> int | None:
        """Length of the features, None before there are any."""

    @property
    def model_hash(self) -> str | None:
        """SHA-256 of the weights behind the features, where known."""

    def describe(self, dimensions: int, model_hash: str | None) -> None:
        """Fix length and model of the features, once."""

    def upsert(
        self,
        names: list[str],
        features: Features,
        metadata: list[dict[str, Any]],
    ) -> None:
        """Add records or replace them, all or none, safe when it returns."""

    def delete(self, names: list[str]) -> int:
        """Delete records, and say how many there were."""

    def get(self, names: list[str]) -> dict[str, Record]:
        """Return those of the records that there are."""

    def search(
        self, features: Features, top: int, where: list[Any]
    ) -> list[list[Match]]:
        """Return the best matches, the best first."""

    def names(self, where: list[Any]) -> list[str]:
        """List the records, sorted."""

    def count(self, where: list[Any]) -> int:
        """Count the records."""

    def close(self) -> None:
        """Release what is held."""


class Gallery:
    """Features of people with names and metadata, to be searched.

    Open one with :meth:`open`; it is a context manager. Metadata are plain
    data; ``person``, ``camera``, ``modality`` and ``time`` (seconds since
    1970) can be filtered by.

    Example:
        >>> import numpy as np, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> with Gallery.open(f'{folder.name}/people.db') as gallery:
        ...     gallery.upsert(np.eye(3), ['ann', 'bob', 'cat'],
        ...                    [dict(camera=c) for c in (1, 1, 2)])
        ...     found = gallery.search([1, 0.5, 0], top=1)[0][0]
        ...     (found.name, round(found.score, 3), gallery.count())
        ('ann', 0.894, 3)
    """

    def __init__(self, engine: Engine, model_hash: str | None = None) -> None:
        self.engine = engine
        self._model_hash = model_hash
        stored = engine.model_hash
        if model_hash and stored and model_hash != stored:
            raise ConfigError(
                f'the gallery holds features of model {stored[:12]}, not of '
                f'{model_hash[:12]}; use that model or another gallery'
            )

    @classmethod
    def open(
        cls,
        address: str | Path,
        model_hash: str | None = None,
        create: bool = True,
    ) -> Gallery:
        """Open a gallery; ``create`` one if there is no file at the address.

        ``address`` is a file, which one process writes and many read, or
        ``http://HOST:PORT`` of a Milvus server (``milvus-lite:FILE`` for its
        embedded form). With ``model_hash`` features of another model are
        refused.

        Raises:
            ConfigError: If there is something else at the address.
        """
        text = str(address)
        if text.startswith(('http://', 'https://', 'milvus-lite:')):
            from .milvus import MilvusEngine

            return cls(MilvusEngine(text), model_hash)
        path = Path(address).expanduser()
        # Made by a process that was killed before it wrote, it is empty.
        empty = path.is_file() and not path.stat().st_size
        if not create and (empty or not path.exists()):
            raise ConfigError(
                f'there is no gallery {text!r}; mmgl gallery add makes one'
            )
        from .embedded import EmbeddedEngine

        return cls(EmbeddedEngine(address), model_hash)

    def upsert(
        self,
        features: npt.ArrayLike,
        names: Sequence[str],
        metadata: Sequence[Metadata] | None = None,
    ) -> None:
        """Add records, or replace those of the same names, all or none.

        What is there when this returns survives a crash.

        Raises:
            ConfigError: If names, features ``(n, D)`` and metadata do not
                fit each other or the gallery, or a name comes twice.
        """
        names = check_names(names)
        rows = check_features(features, self.engine.dimensions)
        if len(rows) != len(names):
            raise ConfigError(f'{len(names)} names for {len(rows)} features')
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise ConfigError(f'name {twice!r} comes twice in one call')
        entries = check_metadata(metadata, len(rows))
        if self.engine.dimensions is None:
            self.engine.describe(rows.shape[1], self._model_hash)
        self.engine.upsert(names, rows, entries)

    def delete(
        self, names: Sequence[str] | None = None, where: Where | None = None
    ) -> int:
        """Delete by names or by a filter, and say how many there were."""
        if (names is None) == (where is None):
            raise ConfigError('delete needs either names or where')
        if names is None:
            conditions = parse_where(where)
            if not conditions:
                raise ConfigError('where is empty: it would delete everyone')
            names = self.engine.names(conditions)
        return self.engine.delete(check_names(names))

    def get(self, names: Sequence[str]) -> list[Record]:
        """Return records in the order of their names.

        Raises:
            ConfigError: If there is none of a name.
        """
        names = check_names(names)
        found = self.find(names)
        if len(found) < len(names):
            missing = sorted({*names} - {record.name for record in found})
            raise ConfigError(f'the gallery has no {missing[0]!r}')
        return found

    def find(self, names: Sequence[str]) -> list[Record]:
        """Return those of the records that there are, in order."""
        names = check_names(names)
        found = self.engine.get(names)
        return [found[name] for name in names if name in found]

    def search(
        self,
        features: npt.ArrayLike,
        top: int = 10,
        where: Where | None = None,
    ) -> list[list[Match]]:
        """Find the records nearest to each feature ``(n, D)``, best first.

        ``where`` leaves it at records whose field has a value, one of a list
        of values, or lies in a range, a tuple (from, to) with None for an
        open end. There are fewer than ``top`` where the gallery has no more.

        Raises:
            ConfigError: If features or filter do not fit.
        """
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise ConfigError(f'top must be a whole number above 0, got {top}')
        rows = check_features(features, self.engine.dimensions)
        conditions = parse_where(where)
        if self.engine.dimensions is None:
            return [[] for _ in rows]
        return self.engine.search(rows, top, conditions)

    @property
    def model_hash(self) -> str | None:
        """SHA-256 of the weights behind the features, where known."""
        return self.engine.model_hash

    def names(self, where: Where | None = None) -> list[str]:
        """List the names, or those that a filter leaves, sorted."""
        return self.engine.names(parse_where(where))

    def count(self, where: Where | None = None) -> int:
        """Count the records, or those that a filter leaves."""
        return self.engine.count(parse_where(where))

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[Record]:
        """Yield all records, sorted by name."""
        for block in _blocks(self.engine.names([])):
            found = self.engine.get(block)
            # Others may have gone meanwhile.
            yield from (found[name] for name in block if name in found)

    def copy_to(self, other: Gallery) -> int:
        """Add all records to another gallery, of any engine; count them."""
        count = 0
        records = iter(self)
        while block := list(islice(records, _BLOCK)):
            other.upsert(
                np.stack([record.feature for record in block]),
                [record.name for record in block],
                [record.metadata for record in block],
            )
            count += len(block)
        return count

    def close(self) -> None:
        """Release files and connections; nothing works any more."""
        self.engine.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _blocks(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _BLOCK):
        yield names[start : start + _BLOCK]

"""Unit vectors in memory, numbered, searched exactly."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .records import Features

Ids = npt.NDArray[np.int64]
# Similarities computed at a time.
_CELLS = 1 << 24


class Vectors:
    """Rows of a matrix that grows by doubling and has no holes."""

    def __init__(self, dimensions: int) -> None:
        self._rows = np.empty((0, dimensions), np.float32)
        self._ids = np.empty(0, np.int64)
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._row_of)

    def reserve(self, count: int) -> None:
        """Make room for so many more vectors."""
        old, size = len(self), len(self) + count
        if size > len(self._ids):
            size = max(size, 2 * old)
            rows = np.empty((size, self._rows.shape[1]), np.float32)
            rows[:old] = self._rows[:old]
            self._rows = rows
            self._ids = np.resize(self._ids[:old], size)

    def add(self, ids: Sequence[int], features: Features) -> None:
        """Add vectors with new numbers."""
        self.reserve(len(ids))
        start = len(self)
        end = start + len(ids)
        self._rows[start:end] = features
        self._ids[start:end] = ids
        self._row_of.update(zip(ids, range(start, end), strict=True))

    def delete(self, number: int) -> None:
        """Delete a vector, if there is one of that number."""
        row = self._row_of.pop(number, None)
        last = len(self)
        if row is not None and row != last:
            moved = int(self._ids[last])
            self._rows[row] = self._rows[last]
            self._ids[row] = moved
            self._row_of[moved] = row

    def search(
        self, queries: Features, top: int, among: Ids | None = None
    ) -> tuple[Features, Ids]:
        """Return cosines and numbers ``(n, top)`` of the nearest, best first.

        With ``among`` only vectors of these numbers count. Of equal ones that
        with the lower number comes first.
        """
        rows, ids = self._rows[: len(self)], self._ids[: len(self)]
        if among is not None:
            chosen = np.flatnonzero(np.isin(ids, among))
            rows, ids = rows[chosen], ids[chosen]
        top = min(top, len(ids))
        scores = np.empty((len(queries), top), np.float32)
        found = np.empty((len(queries), top), np.int64)
        step = max(1, _CELLS // max(1, len(ids)))
        for start in range(0, len(queries) if top else 0, step):
            part = slice(start, start + step)
            similarity = queries[part] @ rows.T
            for i, line in enumerate(similarity, start):
                best = _best(line, ids, top)
                scores[i], found[i] = line[best], ids[best]
        return scores.clip(-1, 1), found


def _best(scores: Features, ids: Ids, top: int) -> Ids:
    """Places of the best scores; ties by number, at the edge too."""
    if top < len(scores):
        edge = np.partition(scores, -top)[-top]
        places = np.flatnonzero(scores >= edge)
    else:
        places = np.arange(len(scores))
    order = np.lexsort((ids[places], -scores[places]))
    best: Ids = places[order[:top]]
    return best

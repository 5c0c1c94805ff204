"""k-reciprocal re-ranking, sparse and a block of images at a time.

Zhong et al., *Re-ranking Person Re-identification with k-reciprocal Encoding*,
CVPR 2017. Distances are squared euclidean ones, as in the public code;
encodings have single precision where that code rounds to half.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_array, vstack

from .distances import unique_rows
from .feature_arrays import (
    Array,
    Values,
    check_features,
    check_widths,
    unit_rows,
)
from .match_ranks import HostRanks

Sparse: TypeAlias = Any  # scipy has no types

_WHOLE_BYTES = 2**29
_BLOCK_BYTES = 2**25
# Entries of encodings that are compared together.
_ENTRIES = 2**21
_FIELDS = {'k1': 'k1', 'k2': 'k2', 'lambda': 'weight'}


@dataclass(frozen=True)
class Reranking:
    """Settings, by default the published ones.

    ``k1`` neighbours are looked at, the encodings of ``k2`` are averaged;
    ``weight`` is lambda, that of the original distance.
    """

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in self.as_dict().items():
            whole = isinstance(value, int) and value >= 1
            good = 0 <= value <= 1 if name == 'lambda' else whole
            if not good or isinstance(value, bool):
                wanted = '0 to 1' if name == 'lambda' else 'a number from 1'
                raise ValueError(f'rerank: {name}={value}; give {wanted}.')

    def as_dict(self) -> dict[str, float]:
        """Give the settings under their public names: k1, k2, lambda."""
        return {key: getattr(self, name) for key, name in _FIELDS.items()}

    @classmethod
    def read(cls, given: object) -> 'Reranking | None':
        """Read true, false (or nothing), or some of k1, k2, lambda."""
        if given is None or isinstance(given, bool):
            return cls() if given else None
        if not isinstance(given, Mapping) or not all(
            name in _FIELDS and isinstance(value, int | float)
            for name, value in given.items()
        ):
            raise ValueError(
                f'rerank={given!r}; give true, or numbers for some of '
                f'{", ".join(_FIELDS)}.'
            )
        return cls(**{_FIELDS[key]: value for key, value in given.items()})


class SquaredDistances:
    """Squared distances among the rows of (n, d), in single precision.

    Up to a common factor. Those of equal rows are the same. All are kept
    where they fit into ``memory``, in bytes, else computed when asked for.
    """

    def __init__(
        self, features: Values, metric: str, memory: int | None = None
    ) -> None:
        values = check_features(features)
        if metric == 'cosine':
            values = unit_rows(values)
        first, self._place = unique_rows(values)
        values = values[first] / max(np.abs(values).max(), 1e-300)
        # Short vectors have small rounding errors.
        values -= values.mean(axis=0)
        values = np.asarray(values, dtype=np.float32)
        self._values, self._whole = values, None
        self._squares = np.einsum('nd,nd->n', values, values)
        if 4 * len(values) ** 2 <= (memory or _WHOLE_BYTES):
            self._whole = self._compute(np.s_[:])

    def _compute(self, index: Any) -> Array:
        rows = self._values[index]
        block = rows @ self._values.T
        block *= -2
        block += self._squares[index][:, None]
        block += self._squares
        np.maximum(block, 0, out=block)
        block[np.arange(len(rows)), np.arange(len(self._values))[index]] = 0
        return np.asarray(block)

    def rows(self, index: Array, columns: Array) -> Array:
        """Give the distances of some rows to others, (b, c)."""
        index, columns = self._place[index], self._place[columns]
        if self._whole is not None:
            return np.take(self._whole[index], columns, axis=1)
        return np.take(self._compute(index), columns, axis=1)


def nearest_columns(block: Array, count: int) -> Array:
    """Find the smallest values of each row, ties in their order, (b, k)."""
    if count >= block.shape[1]:
        return np.argsort(block, axis=1, kind='stable')
    found = np.argpartition(block, count - 1, axis=1)[:, :count]
    found.sort(axis=1)
    values = np.take_along_axis(block, found, axis=1)
    order = np.argsort(values, axis=1, kind='stable')
    found = np.take_along_axis(found, order, axis=1)
    # Of the images tied with the last one, others may come first.
    last = values.max(axis=1, keepdims=True)
    tied = np.count_nonzero(block <= last, axis=1) > count
    order = np.argsort(block[tied], axis=1, kind='stable')
    found[tied] = order[:, :count]
    return found


def _links(nearest: Array, weight: float = 1) -> Sparse:
    """Matrix (n, n) of the neighbours of each image."""
    n, k = nearest.shape
    values = np.full(n * k, weight, dtype=np.float32)
    starts = np.arange(0, n * k + 1, k)
    return csr_array((values, nearest.ravel(), starts), shape=(n, n))


def _reciprocal(nearest: Array) -> Sparse:
    links = _links(nearest)
    return links.multiply(links.T).tocsr()


def _expanded(nearest: Array, k1: int) -> Sparse:
    """k-reciprocal neighbours, with those of half as many around them."""
    mutual = _reciprocal(nearest[:, : k1 + 1])
    half = _reciprocal(nearest[:, : round(k1 / 2) + 1])
    common = (mutual @ half.T).multiply(mutual).tocoo()
    size = np.diff(half.indptr)[common.col]
    kept = 3 * common.data > 2 * size
    ones = np.ones(kept.sum(), dtype=np.float32)
    places = common.row[kept], common.col[kept]
    joined = csr_array((ones, places), shape=mutual.shape)
    return (mutual + joined @ half).tocsr()


class RerankedDistances(HostRanks):
    """Re-ranked distances (n, m) by neighbours of queries and gallery."""

    itemsize = 4

    def __init__(
        self,
        squares: SquaredDistances,
        queries: Array,
        gallery: Array,
        how: Reranking,
    ) -> None:
        self.shape = n, m = len(queries), len(gallery)
        self._squares, self._how = squares, how
        self._queries, self._gallery = queries, gallery
        self._all = np.concatenate([queries, gallery])
        count = min(max(how.k1 + 1, how.k2), n + m)
        nearest = np.empty((n + m, count), dtype=np.int32)
        self._farthest = np.empty(n + m, dtype=np.float32)
        for some, block in self._blocks():
            nearest[some] = nearest_columns(block, count)
            self._farthest[some] = block.max(axis=1)
        # Where all images are one point, every distance is 0.
        self._farthest[self._farthest == 0] = 1
        vectors = self._encode(_expanded(nearest, how.k1))
        if how.k2 > 1:
            mean = _links(nearest[:, : how.k2], 1 / min(how.k2, count))
            vectors = (mean @ vectors).tocsr()
        self._encoded, self._columns = vectors[:n], vectors[n:].tocsc()

    def _blocks(self) -> Iterator[tuple[slice, Array]]:
        """Distances among all images, some rows at a time."""
        total = len(self._all)
        step = max(1, _BLOCK_BYTES // (4 * total))
        for start in range(0, total, step):
            some = slice(start, start + step)
            yield some, self._squares.rows(self._all[some], self._all)

    def _encode(self, sets: Sparse) -> Sparse:
        """Weigh the members of each set by their distance, to a sum of 1."""
        starts = sets.indptr
        for some, block in self._blocks():
            ends = starts[some.start : some.stop + 1]
            row = np.repeat(np.arange(len(block)), np.diff(ends))
            part = slice(ends[0], ends[-1])
            near = block[row, sets.indices[part]]
            weights = np.exp(-near / self._farthest[some][row])
            sums = np.bincount(row, weights, minlength=len(block))
            sets.data[part] = weights / sums[row]
        return sets

    def rows(self, index: Array, out: Array | None = None) -> Array:
        """See :class:`Distances`."""
        block = self._squares.rows(self._queries[index], self._gallery)
        block *= self._how.weight / self._farthest[index][:, None]
        jaccard = self._jaccard(self._encoded[index])
        jaccard *= 1 - self._how.weight
        block += jaccard
        return block

    def graph(self, radius: float) -> Sparse:
        """Jaccard distances (m, m) within the gallery, up to a radius."""
        vectors, blocks = self._columns.tocsr(), []
        step = max(1, _BLOCK_BYTES // (8 * self.shape[1]))
        for start in range(0, self.shape[1], step):
            block = self._jaccard(vectors[start : start + step]).clip(0)
            near = np.nonzero(block <= radius)
            blocks.append(csr_array((block[near], near), shape=block.shape))
        return vstack(blocks, format='csr')

    def _jaccard(self, vectors: Sparse) -> Array:
        common = self._common(vectors)
        return np.asarray(1 - common / (2 - common))

    def _common(self, vectors: Sparse) -> Array:
        """Sum the minima of encodings of queries and gallery, (b, m)."""
        shape = vectors.shape[0], self.shape[1]
        starts, sizes = self._columns.indptr, np.diff(self._columns.indptr)
        sizes = sizes[vectors.indices]
        row = np.repeat(np.arange(shape[0]), np.diff(vectors.indptr))
        result = np.zeros(shape[0] * shape[1])
        number = np.cumsum(sizes) // _ENTRIES
        cuts = np.flatnonzero(np.diff(number)) + 1
        for part in np.split(np.arange(len(sizes)), cuts):
            size, ends = sizes[part], np.cumsum(sizes[part])
            first = starts[vectors.indices[part]] - ends + size
            entry = np.repeat(first, size) + np.arange(size.sum())
            least = np.minimum(
                np.repeat(vectors.data[part], size), self._columns.data[entry]
            )
            place = np.repeat(row[part], size) * shape[1]
            place += self._columns.indices[entry]
            result += np.bincount(place, least, minlength=len(result))
        return result.reshape(shape).astype(np.float32)


def reranked_distances(
    query: Values,
    gallery: Values,
    metric: str = 'cosine',
    how: Reranking | None = None,
    memory: int | None = None,
) -> RerankedDistances:
    """Re-rank the gallery (m, d) of queries (n, d), without any label.

    For ``score_galleries``; by 'cosine' of normalised features. ``memory``
    is that for distances among all images, by default 512 MiB, without which
    they are computed three times.
    """
    query = check_features(query, 'query features')
    gallery = check_features(gallery, 'gallery features')
    check_widths(query, gallery)
    squares = SquaredDistances(
        np.concatenate([query, gallery]), metric, memory
    )
    queries, rest = np.split(
        np.arange(len(query) + len(gallery)), [len(query)]
    )
    return RerankedDistances(squares, queries, rest, how or Reranking())


def jaccard_graph(
    features: Values, radius: float, how: Reranking | None = None
) -> Sparse:
    """Jaccard distances (n, n) of the k-reciprocal neighbours of features.

    Sparse, with those up to ``radius`` only, zeros included; by 'cosine', and
    the weight of ``how`` is not used.
    """
    features = check_features(features)
    squares = SquaredDistances(features, 'cosine')
    every = np.arange(len(features))
    how = how or Reranking()
    return RerankedDistances(squares, every[:0], every, how).graph(radius)

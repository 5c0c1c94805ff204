"""Distances between feature rows, chunk by chunk, with exact ties.

Rows that hold the same numbers get bitwise the same distance, which a matrix
product alone does not promise (its edge blocks may round in another order):
equal gallery rows are computed once and copied.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from .backend import Distances
from .feature_arrays import (
    Array,
    Values,
    check_features,
    check_widths,
    is_on_accelerator,
    unit_rows,
)
from .match_ranks import HostRanks
from .options import DISTANCES, check_choice

_FIRST_COLUMNS = 32  # tell most rows apart


def unique_rows(array: Array) -> tuple[Array, Array]:
    """Find ``first`` and ``inverse``, with array[first][inverse] == array."""
    # + 0 makes -0.0 and 0.0 alike.
    starts = {row.tobytes() for row in array[:, :_FIRST_COLUMNS] + 0}
    if len(starts) == len(array):
        return np.arange(len(array)), np.arange(len(array))
    numbers: dict[bytes, int] = {}
    inverse = np.array(
        [numbers.setdefault((r + 0).tobytes(), len(numbers)) for r in array]
    )
    return np.unique(inverse, return_index=True)[1], inverse


class MatrixDistances(HostRanks):
    """A finished distance matrix, (n, m)."""

    def __init__(self, matrix: npt.ArrayLike) -> None:
        matrix = np.asarray(matrix)
        if matrix.ndim != 2:
            raise ValueError(
                f'distances have shape {matrix.shape}; give (n, m).'
            )
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if bad.size:
            raise ValueError(
                f'distances have NaN or Inf in {bad.size} rows, first '
                f'{bad[:10].tolist()}; they cannot be ranked.'
            )
        self._matrix = matrix
        self.shape: tuple[int, int] = matrix.shape
        self.itemsize = matrix.itemsize

    def rows(self, index: Array, out: Array | None = None) -> Array:
        """See :class:`Distances`."""
        return self._matrix[index]


class PairwiseDistances(HostRanks):
    """Distances from queries (n, d) to a gallery (m, d), as asked for.

    * ``cosine``: minus the cosine similarity, in the precision of the
      features. The constant 1 would round away small differences.
    * ``euclidean``: in float64 as MATLAB's ``pdist2`` gives it, the root of
      squared differences summed from the first dimension to the last. A
      matrix product sorts out all pairs further apart than its rounding
      error; only the others are summed one by one, so that ranking and ties
      are those of ``pdist2`` at a small part of its price.
    """

    def __init__(
        self, query: Values, gallery: Values, metric: str = 'cosine'
    ) -> None:
        check_choice('distance', metric, DISTANCES)
        query = check_features(query, 'query features')
        gallery = check_features(gallery, 'gallery features')
        check_widths(query, gallery)
        self.metric = metric
        dtype: np.dtype[Any] = np.result_type(query, gallery)
        if metric == 'euclidean':
            dtype = np.dtype(np.float64)
        query = query.astype(dtype, copy=False)
        gallery = gallery.astype(dtype, copy=False)
        if metric == 'cosine':
            # Changing the sign here saves a pass over the products.
            query, gallery = -unit_rows(query), unit_rows(gallery)
        self.shape = (len(query), len(gallery))
        self.itemsize = dtype.itemsize
        first, inverse = unique_rows(gallery)
        self._expand = inverse if len(first) < len(gallery) else None
        if self._expand is not None:
            gallery = gallery[first]
        self._query, self._gallery = query, gallery
        if metric == 'euclidean':
            # Squares of huge features overflow; those take the plain way.
            with np.errstate(over='ignore', invalid='ignore'):
                self._prepare_products()

    def rows(self, index: Array | slice, out: Array | None = None) -> Array:
        """See :class:`Distances`."""
        if self.metric == 'euclidean':
            result = self._euclidean(index)
        else:
            query, gallery = self._query[index], self._gallery
            if (
                self._expand is not None
                or out is None
                or len(out) < len(query)
            ):
                out = np.empty((len(query), len(gallery)), query.dtype)
            result = np.matmul(query, gallery.T, out=out[: len(query)])
        return result if self._expand is None else result[:, self._expand]

    def _prepare_products(self) -> None:
        """Bound the error of the products, for each query.

        Centred features have smaller norms, so smaller rounding errors.
        """
        query, gallery = self._query, self._gallery
        centre = gallery.mean(axis=0)
        self._query_c, self._gallery_c = query - centre, gallery - centre
        self._query_sq, self._gallery_sq = (
            np.einsum('nd,nd->n', part, part)
            for part in (self._query_c, self._gallery_c)
        )
        raw = np.linalg.norm(query, axis=1)
        raw += np.linalg.norm(gallery, axis=1).max()
        reach = np.sqrt(self._query_sq) + np.sqrt(self._gallery_sq.max())
        # Worst-case error of the products, of centring, and of the sum of
        # squares, with room to spare: gaps above it cannot change sign.
        float64, dims = np.finfo(np.float64), query.shape[1] + 16
        self._slack = float64.eps * (8 * dims * reach**2 + 16 * raw * reach)
        self._slack += dims * float64.tiny  # near underflow
        self._plain = not np.isfinite(self._slack).all()  # overflow

    def _euclidean(self, index: Array | slice) -> Array:
        if self._plain:
            return np.asarray(cdist(self._query[index], self._gallery))
        squared = self._query_c[index] @ self._gallery_c.T
        squared *= -2
        squared += self._query_sq[index][:, None]
        squared += self._gallery_sq
        query, slack = self._query[index], self._slack[index]
        close = np.diff(np.sort(squared, axis=1), axis=1) <= slack[:, None]
        result = np.sqrt(np.maximum(squared, 0))
        for row in np.flatnonzero(close.any(axis=1)):
            member = np.r_[close[row], False] | np.r_[False, close[row]]
            columns = np.argsort(squared[row])[member]
            result[row, columns] = cdist(query[[row]], self._gallery[columns])
        return np.asarray(result)


def distances_between(
    query: Values, gallery: Values, metric: str = 'cosine'
) -> Distances[Any]:
    """Prepare distances of (n, d) to (m, d), cosine ones where they are.

    :class:`PairwiseDistances` explains the metrics.
    """
    there = is_on_accelerator(query) and is_on_accelerator(gallery)
    if metric == 'cosine' and there:
        from .device_ranks import DeviceDistances

        return DeviceDistances(query, gallery)
    return PairwiseDistances(query, gallery, metric)


def pairwise_distances(
    query: Values, gallery: Values, metric: str = 'cosine'
) -> Array:
    """Compute the whole distance matrix, (n, m), smaller is nearer.

    Equal feature rows give bitwise equal columns. ``distances_between`` is
    for matrices that do not fit in memory.
    """
    return PairwiseDistances(query, gallery, metric).rows(slice(None))

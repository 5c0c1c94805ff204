"""Distances between feature rows, chunk by chunk, with exact ties.

Two rows that hold the same numbers always get bitwise the same distance: a
matrix product alone does not promise that (its edge blocks may round in
another order), so equal gallery rows are computed once and copied.
"""

from hashlib import blake2b

import numpy as np
from scipy.spatial.distance import cdist

DISTANCES = ('cosine', 'euclidean')
_NORM_FLOOR = 1e-12


def to_numpy(values):
    """Turn an array-like or a torch tensor into a numpy array.

    Args:
        values (array-like or Tensor): Any shape, any device.

    Returns:
        np.ndarray: The same values; it may share memory with the input.
    """
    if hasattr(values, 'detach'):
        values = values.detach().cpu()
        if values.is_floating_point() and values.element_size() < 4:
            values = values.float()  # numpy has no bfloat16
        return values.numpy()
    return np.asarray(values)


def check_features(features, name='features'):
    """Check a feature matrix and return it as float32 or float64.

    Args:
        features (array-like or Tensor): Features, (n, d), n and d >= 1.
        name (str): How the matrix is called in messages.

    Returns:
        np.ndarray: (n, d), float32 for float32 and half precision, float64
        for everything else; the input itself is never changed.

    Raises:
        TypeError: If the values are not real numbers.
        ValueError: If it is not a matrix, is empty, or has NaN or Inf.
    """
    array = to_numpy(features)
    if array.dtype.kind not in 'fiub':
        raise TypeError(
            f'{name} has dtype {array.dtype}; give real numbers, (n, d).')
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f'{name} has shape {array.shape}; give one row an image, (n, d), '
            'with at least one row and one column.')
    narrow = array.dtype in (np.float16, np.float32)
    array = array.astype(np.float32 if narrow else np.float64, copy=False)
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        rows = ', '.join(map(str, bad[:10]))
        more = ', ...' if bad.size > 10 else ''
        raise ValueError(
            f'{name} has NaN or Inf in {bad.size} of {len(array)} rows '
            f'(rows {rows}{more}, counted from 0). Check that training did '
            'not diverge and extract the features again.')
    return array


def unique_rows(array):
    """Find the distinct rows of a matrix, in order of first appearance.

    Args:
        array (np.ndarray): Finite values, (n, d).

    Returns:
        tuple[np.ndarray, np.ndarray]: ``first`` (u,), the row number where
        each distinct row first appears, and ``inverse`` (n,), so that
        ``array[first][inverse]`` equals ``array``.
    """
    array = np.ascontiguousarray(array + 0)  # + 0 makes -0.0 and 0.0 alike
    seen, first = {}, []
    inverse = np.empty(len(array), dtype=np.intp)
    for number, row in enumerate(array):
        key = blake2b(row, digest_size=16).digest()
        if key not in seen:
            seen[key] = len(first)
            first.append(number)
        inverse[number] = seen[key]
    return np.array(first, dtype=np.intp), inverse


def _normalise(array):
    norms = np.sqrt(np.einsum('nd,nd->n', array, array, dtype=np.float64))
    norms = np.maximum(norms, _NORM_FLOOR).astype(array.dtype)
    return array / norms[:, None]


class PairwiseDistances:
    """Distances from queries to a gallery, computed for the rows asked for.

    * ``cosine``: minus the cosine similarity, in the precision of the
      features (float32 stays float32). The constant 1 is left out because
      adding it would round away small differences.
    * ``euclidean``: the plain Euclidean distance in float64 as MATLAB's
      ``pdist2`` gives it, that is, the root of squared differences summed
      from the first dimension to the last. A matrix product sorts out all
      pairs that are further apart than its rounding error; only the others
      are summed one by one, so that ranking and ties are those of
      ``pdist2`` at a small part of its price.

    Args:
        query (array-like or Tensor): Query features, (n, d).
        gallery (array-like or Tensor): Gallery features, (m, d).
        metric (str): 'cosine' or 'euclidean'.

    Raises:
        TypeError: See :func:`check_features`.
        ValueError: For an unknown metric, different d, NaN or Inf.
    """

    def __init__(self, query, gallery, metric='cosine'):
        if metric not in DISTANCES:
            raise ValueError(
                f'distance={metric!r} is not known; choose from {DISTANCES}.')
        query = check_features(query, 'query features')
        gallery = check_features(gallery, 'gallery features')
        if query.shape[1] != gallery.shape[1]:
            raise ValueError(
                f'query features have {query.shape[1]} columns and gallery '
                f'features {gallery.shape[1]}; both must come from the same '
                'model.')
        self.metric = metric
        dtype = np.result_type(query, gallery)
        if metric == 'euclidean':
            dtype = np.float64
        query = query.astype(dtype, copy=False)
        gallery = gallery.astype(dtype, copy=False)
        if metric == 'cosine':
            query, gallery = _normalise(query), _normalise(gallery)
        self.shape = (len(query), len(gallery))
        first, inverse = unique_rows(gallery)
        self._expand = None
        if len(first) < len(gallery):
            gallery, self._expand = gallery[first], inverse
        self._query, self._gallery = query, gallery
        if metric == 'euclidean':
            self._prepare_products()

    def rows(self, index):
        """Compute some rows of the distance matrix.

        Args:
            index (np.ndarray or slice): Query numbers.

        Returns:
            np.ndarray: (len(index), m), smaller is nearer.
        """
        if self.metric == 'cosine':
            result = -(self._query[index] @ self._gallery.T)
        else:
            result = self._euclidean(index)
        return result if self._expand is None else result[:, self._expand]

    def _prepare_products(self):
        """Centre the features: smaller norms, smaller rounding errors."""
        # Squares of huge features overflow; those take the plain way.
        with np.errstate(over='ignore', invalid='ignore'):
            self._find_slack(self._gallery.mean(axis=0))

    def _find_slack(self, centre):
        """Bound the error of the products, for each query."""
        self._query_c = self._query - centre
        self._gallery_c = self._gallery - centre
        self._query_sq = np.einsum('nd,nd->n', self._query_c, self._query_c)
        self._gallery_sq = np.einsum(
            'nd,nd->n', self._gallery_c, self._gallery_c)
        raw = np.linalg.norm(self._query, axis=1)
        raw += np.linalg.norm(self._gallery, axis=1).max()
        reach = np.sqrt(self._query_sq) + np.sqrt(self._gallery_sq.max())
        # Worst-case error of the products, of centring, and of the sum of
        # squares, with room to spare: gaps above it cannot change sign.
        eps = np.finfo(np.float64).eps
        dims = self._query.shape[1] + 16
        self._slack = eps * (8 * dims * reach**2 + 16 * raw * reach)
        self._slack += dims * np.finfo(np.float64).tiny  # near underflow
        self._plain = not np.isfinite(self._slack).all()  # overflow

    def _euclidean(self, index):
        if self._plain:
            return cdist(self._query[index], self._gallery)
        squared = self._query_c[index] @ self._gallery_c.T
        squared *= -2
        squared += self._query_sq[index][:, None]
        squared += self._gallery_sq
        query, slack = self._query[index], self._slack[index]
        ordered = np.sort(squared, axis=1)
        close = np.diff(ordered, axis=1) <= slack[:, None]
        result = np.sqrt(np.maximum(squared, 0))
        for row in np.flatnonzero(close.any(axis=1)):
            member = np.zeros(ordered.shape[1], dtype=bool)
            member[1:] |= close[row]
            member[:-1] |= close[row]
            columns = np.argsort(squared[row])[member]
            result[row, columns] = cdist(
                query[row:row + 1], self._gallery[columns])[0]
        return result


def pairwise_distances(query, gallery, metric='cosine'):
    """Compute the whole distance matrix.

    Args:
        query (array-like or Tensor): Query features, (n, d).
        gallery (array-like or Tensor): Gallery features, (m, d).
        metric (str): See :class:`PairwiseDistances`.

    Returns:
        np.ndarray: (n, m), smaller is nearer; equal feature rows give
        bitwise equal columns.
    """
    distances = PairwiseDistances(query, gallery, metric)
    return distances.rows(slice(None))

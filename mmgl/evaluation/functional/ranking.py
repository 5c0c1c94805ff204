"""CMC, mAP and mINP of rankings, many galleries out of one pool at a time.

Definitions (docs/evaluation.md has them in full):

* A query sees the gallery without the images taken at its own location. A
  query that has no true match left is left out of every mean.
* ``unique_identity`` CMC (SYSU-MM01): only the nearest image of each
  identity stays in the ranking, so rank counts people.
* ``standard`` CMC (RegDB): rank counts images.
* AP: mean over the true matches of k / rank of the k-th one.
* INP: number of true matches / rank of the last one.

The pool of gallery images is sorted once a query (``sorted_pool``); every
gallery reads its ranks off that one order.
"""

from dataclasses import dataclass

import numpy as np

from .sorted_pool import Chunk, Pool, runs
from .tie_expectation import (
    expected_inverse_last,
    expected_precision,
    first_hit_distribution,
    identity_rank_distribution,
)

CMC_KINDS = ('unique_identity', 'standard')
TIE_RULES = ('expected', 'gallery_order')
_CHUNK_ELEMENTS = 6_000_000


@dataclass(frozen=True)
class RankingScores:
    """Scores of one gallery, as fractions.

    Attributes:
        cmc (np.ndarray): (max_rank,), entry r - 1 is the CMC at rank r.
        mAP (float): Mean average precision.
        mINP (float): Mean inverse negative penalty.
        num_queries (int): Queries that have a true match.
    """

    cmc: np.ndarray
    mAP: float
    mINP: float
    num_queries: int

    def as_dict(self, ranks=(1, 5, 10, 20)):
        """Give the usual figures.

        Args:
            ranks (tuple[int]): CMC ranks to report. Beyond the length of
                ``cmc`` its last value counts.

        Returns:
            dict[str, float]: r1, r5, ..., mAP, mINP.
        """
        result = {
            f'r{rank}': float(self.cmc[min(rank, len(self.cmc)) - 1])
            for rank in ranks
        }
        return {**result, 'mAP': float(self.mAP), 'mINP': float(self.mINP)}


class _MatrixRows:
    """A finished distance matrix behind the interface of the chunks."""

    def __init__(self, matrix):
        matrix = np.asarray(matrix)
        if matrix.ndim != 2:
            raise ValueError(
                f'distances have shape {matrix.shape}; give (n, m) or an '
                'object with shape and rows().')
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if bad.size:
            raise ValueError(
                f'distances have NaN or Inf in {bad.size} rows, first '
                f'{bad[:10].tolist()}; they cannot be ranked.')
        self._matrix, self.shape = matrix, matrix.shape

    def rows(self, index):
        return self._matrix[index]


class _Totals:
    """Running sums of one gallery over the chunks of queries."""

    def __init__(self, max_rank):
        self.hits = np.zeros(max_rank)
        self.ap = self.inp = 0.0
        self.count = 0

    def add_ranks(self, before):
        """Add queries whose first hit has ``before`` entries before it."""
        limit = len(self.hits)
        self.hits += np.bincount(before[before < limit], minlength=limit)

    def scores(self):
        if not self.count:
            raise ValueError(
                'no query has a true match in the gallery (after leaving out '
                'images of the same location); check pids and cameras of '
                'both sides.')
        return RankingScores(
            np.cumsum(self.hits) / self.count, self.ap / self.count,
            self.inp / self.count, self.count)


def _score_gallery(chunk, number, before, size, totals):
    """Add a chunk's queries to the sums of one gallery."""
    inside = chunk.pool.members[number, chunk.column]
    row, low = chunk.row[inside], chunk.low[inside]
    if not len(row):
        return
    before = before[inside].astype(np.int64)
    size = size[inside].astype(np.int64)
    starts, matches = runs(row)
    ends = starts + matches - 1
    groups, hits = runs(row, low)
    group_of = np.repeat(np.arange(len(groups)), hits)
    hits_before = groups - np.repeat(starts, matches)[groups]
    precision = expected_precision(
        before, size, hits_before[group_of], hits[group_of])
    totals.ap += (np.add.reduceat(precision, starts) / matches).sum()
    totals.count += len(starts)

    hits = hits[group_of]
    inverse = 1 / (before[ends] + size[ends])
    # A tie matters for the last match if it mixes in other people.
    for query in np.flatnonzero(size[ends] > hits[ends]):
        end = ends[query]
        inverse[query] = expected_inverse_last(
            int(before[end]), int(size[end]), int(hits[end]))
    totals.inp += (matches * inverse).sum()

    if chunk.places is None:
        _standard_cmc(before[starts], size[starts], hits[starts], totals)
    else:
        _unique_cmc(chunk, number, row[starts], low[starts], totals)


def _standard_cmc(before, size, hits, totals):
    mixed = size > hits
    totals.add_ranks(before[~mixed])
    limit = len(totals.hits)
    for query in np.flatnonzero(mixed & (before < limit)):
        ahead = before[query]
        totals.hits[ahead:] += first_hit_distribution(
            int(size[query]), int(hits[query]), limit)[:limit - ahead]


def _unique_cmc(chunk, number, row, low, totals):
    columns, starts = chunk.pool.by_identity[number]
    identities = chunk.pool.pids[columns[starts]]
    places = chunk.places[columns]
    nearest = np.minimum.reduceat(places, starts, axis=0)[:, row]
    low = low.astype(nearest.dtype)
    before = (nearest < low).sum(axis=0)
    tied = np.zeros(len(row), dtype=bool)
    if chunk.tied:
        tied = (nearest == low).sum(axis=0) > 1
    totals.add_ranks(before[~tied])
    limit = len(totals.hits)
    for query in np.flatnonzero(tied & (before < limit)):
        together = np.add.reduceat(
            places[:, row[query]] == low[query], starts, dtype=np.int64)
        together *= nearest[:, query] == low[query]
        own = np.searchsorted(identities, chunk.query_pids[row[query]])
        others = np.sort(np.delete(together, own))
        ahead = before[query]
        totals.hits[ahead:] += identity_rank_distribution(
            int(together[own]), tuple(others[others > 0].tolist()),
            limit)[:limit - ahead]


def _check(distances, query_pids, gallery_pids, members, locations, options):
    """Check shapes and options; give arrays of the right kind."""
    if not hasattr(distances, 'rows'):
        distances = _MatrixRows(distances)
    query_pids, gallery_pids = np.asarray(query_pids), np.asarray(gallery_pids)
    n, m = distances.shape
    for name, array, length in (
        ('query_pids', query_pids, n), ('gallery_pids', gallery_pids, m),
        ('query_locations', locations[0], n),
        ('gallery_locations', locations[1], m)):
        if array is not None and np.shape(array) != (length,):
            raise ValueError(
                f'{name} has shape {np.shape(array)}; the distances ask for '
                f'({length},).')
    if (locations[0] is None) != (locations[1] is None):
        raise ValueError('give both query_locations and gallery_locations, '
                         'or neither.')
    if members is None:
        members = np.ones((1, m), dtype=bool)
    members = np.asarray(members)
    if members.dtype != bool or members.ndim != 2 or members.shape[1] != m:
        raise ValueError(
            f'members is {members.dtype} {members.shape}; give bool (t, {m}),'
            ' one row a gallery.')
    for key, choices in (('cmc', CMC_KINDS), ('ties', TIE_RULES)):
        if options[key] not in choices:
            raise ValueError(
                f'{key}={options[key]!r} is not known; choose from '
                f'{choices}.')
    if options['max_rank'] < 1:
        raise ValueError(f'max_rank={options["max_rank"]}; give 1 or more.')
    return distances, query_pids, gallery_pids, members


def score_galleries(distances, query_pids, gallery_pids, members=None,
                    query_locations=None, gallery_locations=None,
                    cmc='unique_identity', max_rank=20, ties='expected'):
    """Score every gallery that is a part of one pool of images.

    Args:
        distances (np.ndarray or PairwiseDistances): (n, m), smaller is
            nearer; an object with ``shape`` and ``rows(index)`` is asked
            for a chunk at a time, so the matrix is never whole in memory.
        query_pids (array-like): Identities, (n,).
        gallery_pids (array-like): Identities of the pool, (m,).
        members (np.ndarray, optional): bool (t, m), the images of each of t
            galleries. By default one gallery of all images.
        query_locations (array-like, optional): (n,). A query ignores every
            gallery image whose location equals its own.
        gallery_locations (array-like, optional): (m,).
        cmc (str): 'unique_identity' or 'standard'.
        max_rank (int): Length of the CMC.
        ties (str): 'expected' (mean over all orders of tied images) or
            'gallery_order' (tied images stay in pool order, stable sort).

    Returns:
        list[RankingScores]: One a gallery.

    Raises:
        ValueError: For wrong shapes or options, NaN or Inf, or a gallery in
            which no query has a true match.
    """
    distances, query_pids, gallery_pids, members = _check(
        distances, query_pids, gallery_pids, members,
        (query_locations, gallery_locations),
        dict(cmc=cmc, ties=ties, max_rank=max_rank))
    totals = [_Totals(max_rank) for _ in members]
    for queries, columns in _location_groups(
            distances.shape, query_locations, gallery_locations):
        if not columns.any():
            continue
        whole = columns.all()
        pool = Pool(gallery_pids[columns], members[:, columns])
        step = max(1, min(256, _CHUNK_ELEMENTS // distances.shape[1]))
        for start in range(0, len(queries), step):
            index = queries[start:start + step]
            block = distances.rows(index)
            block = block if whole else block[:, columns]
            chunk = Chunk(block, query_pids[index], pool, ties, cmc)
            for number, before, size in chunk.counts():
                _score_gallery(chunk, number, before, size, totals[number])
    return [total.scores() for total in totals]


def _location_groups(shape, query_locations, gallery_locations):
    """Queries that see the same part of the pool, and that part."""
    if query_locations is None:
        yield np.arange(shape[0]), np.ones(shape[1], dtype=bool)
        return
    query_locations = np.asarray(query_locations)
    gallery_locations = np.asarray(gallery_locations)
    hiding = np.isin(query_locations, gallery_locations)
    if not hiding.all():
        yield np.flatnonzero(~hiding), np.ones(shape[1], dtype=bool)
    for location in np.unique(query_locations[hiding]):
        yield (np.flatnonzero(query_locations == location),
               gallery_locations != location)

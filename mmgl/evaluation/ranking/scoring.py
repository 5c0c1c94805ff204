"""CMC, mAP and mINP of rankings, many galleries out of one pool at a time.

Definitions (docs/evaluation.md has them in full):

* A query sees the gallery without the images taken at its own location. A
  query that has no true match left is left out of every mean.
* ``unique_identity`` CMC (SYSU-MM01): only the nearest image of each
  identity stays in the ranking, so rank counts people.
* ``standard`` CMC (RegDB): rank counts images.
* AP: mean over the true matches of k / rank of the k-th one.
* INP: number of true matches / rank of the last one.

Distances to the pool of gallery images are computed once, a block of queries
at a time, and every gallery takes its columns from them. The blocks depend
on the sizes alone, so several processes that share them add up to exactly
the figures of one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .match_ranks import Gallery, rank_matches
from .match_scores import sum_scores

CMC_KINDS = ('unique_identity', 'standard')
TIE_RULES = ('expected', 'gallery_order')
_MEMORY = 2**28  # of a block of distances, in bytes
_MAX_ROWS = 512  # of a block; more do not make the product faster


@dataclass(frozen=True)
class Share:
    """The part of the queries that one of several processes ranks.

    Attributes:
        rank (int): Number of this process, from 0.
        world_size (int): Number of processes.
        add_up (Callable, optional): Takes a float64 array and gives its sum
            over the processes, to all of them.
    """

    rank: int = 0
    world_size: int = 1
    add_up: Callable | None = None


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
                'object with shape and rows().'
            )
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if bad.size:
            raise ValueError(
                f'distances have NaN or Inf in {bad.size} rows, first '
                f'{bad[:10].tolist()}; they cannot be ranked.'
            )
        self._matrix, self.shape = matrix, matrix.shape
        self.dtype = matrix.dtype

    def rows(self, index, out=None):
        return self._matrix[index]


def _check_options(options):
    for key, choices in (('cmc', CMC_KINDS), ('ties', TIE_RULES)):
        if options[key] not in choices:
            raise ValueError(
                f'{key}={options[key]!r} is not known; choose from {choices}.'
            )
    if options['max_rank'] < 1:
        raise ValueError(f'max_rank={options["max_rank"]}; give 1 or more.')
    if options['memory'] is not None and options['memory'] < 1:
        raise ValueError(f'memory={options["memory"]}; give bytes.')


def _check(distances, query_pids, gallery_pids, members, locations):
    """Check shapes; give arrays of the right kind."""
    if not hasattr(distances, 'rows'):
        distances = _MatrixRows(distances)
    query_pids, gallery_pids = np.asarray(query_pids), np.asarray(gallery_pids)
    n, m = distances.shape
    for name, array, length in (
        ('query_pids', query_pids, n),
        ('gallery_pids', gallery_pids, m),
        ('query_locations', locations[0], n),
        ('gallery_locations', locations[1], m),
    ):
        if array is not None and np.shape(array) != (length,):
            raise ValueError(
                f'{name} has shape {np.shape(array)}; the distances ask for '
                f'({length},).'
            )
    if (locations[0] is None) != (locations[1] is None):
        raise ValueError(
            'give both query_locations and gallery_locations, or neither.'
        )
    if members is None:
        members = np.ones((1, m), dtype=bool)
    members = np.asarray(members)
    if members.dtype != bool or members.ndim != 2 or members.shape[1] != m:
        raise ValueError(
            f'members is {members.dtype} {members.shape}; give bool (t, {m}),'
            ' one row a gallery.'
        )
    return distances, query_pids, gallery_pids, members


def score_galleries(
    distances,
    query_pids,
    gallery_pids,
    members=None,
    query_locations=None,
    gallery_locations=None,
    cmc='unique_identity',
    max_rank=20,
    ties='expected',
    memory=None,
    share=None,
):
    """Score every gallery that is a part of one pool of images.

    Args:
        distances (np.ndarray or PairwiseDistances): (n, m), smaller is
            nearer; an object with ``rows()`` is asked for a block at a
            time, so the matrix is never whole in memory.
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
        memory (int, optional): Bytes that a block of distances may take. By
            default 256 MiB.
        share (Share, optional): Rank a part of the queries only, the other
            processes rank the rest. All of them must give the same
            arguments otherwise.

    Returns:
        list[RankingScores]: One a gallery.

    Raises:
        ValueError: For wrong shapes or options, NaN or Inf, or a gallery in
            which no query has a true match.
    """
    _check_options(dict(cmc=cmc, ties=ties, max_rank=max_rank, memory=memory))
    distances, query_pids, gallery_pids, members = _check(
        distances,
        query_pids,
        gallery_pids,
        members,
        (query_locations, gallery_locations),
    )
    share = share or Share()
    rank = getattr(distances, 'rank_matches', rank_matches)
    sums, buffer = [], None
    for index, galleries in _blocks(
        distances,
        query_pids,
        gallery_pids,
        members,
        (query_locations, gallery_locations),
        memory,
    ):
        sums.append(np.zeros((len(members), max_rank + 3)))
        if (len(sums) - 1) % share.world_size != share.rank:
            continue
        block = distances.rows(index, buffer)
        if buffer is None or len(buffer) < len(block):
            buffer = block
        for number, gallery in enumerate(galleries):
            for matches in rank(
                block,
                query_pids[index],
                gallery,
                ties,
                cmc == 'unique_identity',
                len(galleries) > 1,
            ):
                sums[-1][number] += sum_scores(matches, max_rank)
    sums = np.array(sums).reshape(-1, len(members), max_rank + 3)
    if share.add_up:
        sums = share.add_up(sums)
    return [_mean(part, max_rank) for part in sums.sum(axis=0)]


def _mean(sums, max_rank):
    ap, inp, count = sums[max_rank:]
    if not count:
        raise ValueError(
            'no query has a true match in the gallery (after leaving out '
            'images of the same location); check pids and cameras of both '
            'sides.'
        )
    return RankingScores(
        np.cumsum(sums[:max_rank]) / count,
        float(ap / count),
        float(inp / count),
        int(count),
    )


def _blocks(distances, query_pids, gallery_pids, members, locations, memory):
    """Queries to handle together, and the galleries as they see them."""
    memory = memory or getattr(distances, 'memory', _MEMORY)
    most = getattr(distances, 'max_rows', _MAX_ROWS)
    row = distances.shape[1] * np.dtype(distances.dtype).itemsize
    step = max(1, min(most, memory // max(row, 1)))
    for queries, visible in _location_groups(distances.shape, *locations):
        galleries = [
            Gallery(np.flatnonzero(member & visible), gallery_pids)
            for member in members
        ]
        # Queries of one person have the same matches.
        order = np.argsort(query_pids[queries], kind='stable')
        queries = queries[order]
        for start in range(0, len(queries), step):
            yield queries[start : start + step], galleries


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
        yield (
            np.flatnonzero(query_locations == location),
            gallery_locations != location,
        )

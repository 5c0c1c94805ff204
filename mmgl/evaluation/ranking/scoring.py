"""CMC, mAP and mINP of rankings, many galleries out of one pool at a time.

Definitions (docs/evaluation.md has them in full):

* A query sees the gallery without the images taken at its own location. A
  query that has no true match left is left out of every mean.
* ``unique_identity`` CMC (SYSU-MM01): only the nearest image of each
  identity stays in the ranking, so rank counts people.
* ``standard`` CMC (RegDB): rank counts images.
* AP: mean over the true matches of k / rank of the k-th one.
* INP: number of true matches / rank of the last one.

Distances to the pool are computed once, a block of queries at a time, and
every gallery takes its columns from them. The blocks depend on the sizes
alone, so several processes that share them get exactly the figures of one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from .backend import Distances, Gallery
from .distances import MatrixDistances
from .feature_arrays import Array
from .match_scores import sum_scores
from .options import CMC_KINDS, TIE_RULES, check_choice


@dataclass(frozen=True)
class Share:
    """The part of the queries that one of several processes ranks.

    ``add_up`` gives the sum of a float64 array over all processes.
    """

    rank: int = 0
    world_size: int = 1
    add_up: Callable[[Array], Array] | None = None


@dataclass(frozen=True)
class RankingScores:
    """Scores of one gallery, as fractions.

    Attributes:
        cmc: (max_rank,), entry r - 1 is the CMC at rank r.
        mAP: Mean average precision.
        mINP: Mean inverse negative penalty.
        num_queries: Queries that have a true match.
        people: If asked for, identities of the queries, (p,), and the sums
            over the queries of each one: first hits at each rank, AP, INP
            and their number, (p, max_rank + 3).
    """

    cmc: npt.NDArray[np.float64]
    mAP: float
    mINP: float
    num_queries: int
    people: tuple[Array, npt.NDArray[np.float64]] | None = None

    def as_dict(
        self, search: str = '', ranks: tuple[int, ...] = (1, 5, 10, 20)
    ) -> dict[str, float]:
        """Give the usual figures: rank1, rank5, ..., mAP, mINP.

        With a name of the search they are 'all_single/rank1' and so on.
        Beyond the length of ``cmc`` its last value counts.
        """
        prefix, last = f'{search}/' if search else '', len(self.cmc)
        figures = {
            f'{prefix}rank{rank}': float(self.cmc[min(rank, last) - 1])
            for rank in ranks
        }
        figures[f'{prefix}mAP'] = self.mAP
        figures[f'{prefix}mINP'] = self.mINP
        return figures


def _labels(name: str, values: npt.ArrayLike, length: int) -> Array:
    array = np.asarray(values)
    if array.shape != (length,):
        raise ValueError(
            f'{name} has shape {array.shape}; the distances ask for '
            f'({length},).'
        )
    if (array != array).any():  # would equal no other, itself included
        raise ValueError(f'{name} has NaN in it; give numbers.')
    return array


class Search:
    """Distances to a pool, with the labels of both sides."""

    def __init__(
        self,
        distances: Distances[Any],
        pids: tuple[npt.ArrayLike, npt.ArrayLike],
        locations: tuple[npt.ArrayLike | None, npt.ArrayLike | None],
        members: npt.ArrayLike | None,
        own_only: bool,
    ) -> None:
        n, m = distances.shape
        self.own_only = own_only
        self.distances = distances
        self.query_pids = _labels('query_pids', pids[0], n)
        self.gallery_pids = _labels('gallery_pids', pids[1], m)
        own, places = locations
        if (own is None) != (places is None):
            raise ValueError(
                'give both query_locations and gallery_locations, or neither.'
            )
        self.locations = None
        if own is not None and places is not None:
            self.locations = (
                _labels('query_locations', own, n),
                _labels('gallery_locations', places, m),
            )
        if members is None:
            members = np.ones((1, m), dtype=bool)
        self.members = members = np.asarray(members)
        if members.dtype != bool or members.shape[1:] != (m,):
            raise ValueError(
                f'members is {members.dtype} {members.shape}; give bool '
                f'(t, {m}), one row a gallery.'
            )

    def blocks(
        self, memory: int | None, by_person: bool = False
    ) -> Iterator[tuple[Array, list[Gallery]]]:
        """Queries, a person together or alone; galleries as they see them."""
        distances = self.distances
        row = distances.shape[1] * distances.itemsize
        fitting = (memory or distances.memory) // max(row, 1)
        step = max(1, min(distances.max_rows, fitting))
        for queries, visible in self._location_groups():
            hidden = None
            if self.own_only:
                hidden, visible = ~visible, np.ones_like(visible)
            galleries = [
                Gallery(
                    np.flatnonzero(member & visible), self.gallery_pids, hidden
                )
                for member in self.members
            ]
            # Queries of one person have the same matches.
            order = np.argsort(self.query_pids[queries], kind='stable')
            queries = queries[order]
            cuts = {*range(0, len(queries), step), len(queries)}
            if by_person:
                pids = self.query_pids[queries]
                cuts.update(1 + np.flatnonzero(np.diff(pids)))
            for start, stop in pairwise(sorted(cuts)):
                yield queries[start:stop], galleries

    def _location_groups(self) -> Iterator[tuple[Array, Array]]:
        """Queries that see the same part of the pool, and that part."""
        n, m = self.distances.shape
        if self.locations is None:
            yield np.arange(n), np.ones(m, dtype=bool)
            return
        own, places = self.locations
        hiding = np.isin(own, places)
        if not hiding.all():
            yield np.flatnonzero(~hiding), np.ones(m, dtype=bool)
        for location in np.unique(own[hiding]):
            yield np.flatnonzero(own == location), places != location

    def sums(
        self,
        cmc: str,
        ties: str,
        max_rank: int,
        memory: int | None,
        share: Share,
        by_person: bool,
    ) -> tuple[Array, Array]:
        """Sums of our blocks and galleries; first identity of each block."""
        unique, keep = cmc == 'unique_identity', len(self.members) > 1
        parts: list[Array] = []
        first: list[Any] = []
        buffer = None
        blocks = self.blocks(memory, by_person)
        for number, (index, galleries) in enumerate(blocks):
            first.append(self.query_pids[index[0]])
            parts.append(np.zeros((len(galleries), max_rank + 3)))
            if number % share.world_size != share.rank:
                continue
            block = self.distances.rows(index, buffer)
            if buffer is None or len(buffer) < len(block):
                buffer = block
            pids = self.query_pids[index]
            if self.own_only and self.locations is not None:
                own, places = (self.locations[0][index], self.locations[1])
                same = own[:, None] == places
                same &= pids[:, None] == self.gallery_pids
                block[np.nonzero(same)] = np.inf
            for sums, gallery in zip(parts[-1], galleries, strict=True):
                for matches in self.distances.rank_matches(
                    block, pids, gallery, ties, unique, keep
                ):
                    sums += sum_scores(matches, max_rank)
        shape = -1, len(self.members), max_rank + 3
        return np.array(parts).reshape(shape), np.array(first)


def score_galleries(
    distances: Distances[Any] | npt.ArrayLike,
    query_pids: npt.ArrayLike,
    gallery_pids: npt.ArrayLike,
    members: npt.ArrayLike | None = None,
    query_locations: npt.ArrayLike | None = None,
    gallery_locations: npt.ArrayLike | None = None,
    cmc: str = 'unique_identity',
    max_rank: int = 20,
    ties: str = 'expected',
    memory: int | None = None,
    share: Share | None = None,
    by_person: bool = False,
    own_only: bool = False,
) -> list[RankingScores]:
    """Score every gallery that is a part of one pool of images.

    Args:
        distances: (n, m), smaller is nearer; or, never whole in memory, what
            ``distances_between`` gives.
        query_pids: (n,).
        gallery_pids: Of the pool, (m,).
        members: bool (t, m), the images of each of t galleries; by default
            one of all images.
        query_locations: (n,); a query ignores images of its own location.
        gallery_locations: (m,).
        cmc: 'unique_identity' or 'standard'.
        max_rank: Length of the CMC.
        ties: 'expected' (mean over all orders of tied images) or
            'gallery_order' (tied images stay in pool order, stable sort).
        memory: Bytes that a block of distances may take, by default 512 MiB
            (256 on a GPU).
        share: Rank only a part of the queries; the other processes, with
            otherwise the same arguments, rank the rest.
        by_person: Keep the sums of each identity, in smaller blocks.
        own_only: Of its own location a query ignores the images of its own
            identity alone.

    Raises:
        ValueError: For wrong shapes or options, NaN or Inf, or a gallery in
            which no query has a true match.

    Example:
        >>> near = [[0.1, 0.2, 0.3]]
        >>> score, = score_galleries(near, [7], [5, 7, 7], cmc='standard')
        >>> score.as_dict()['rank1'], score.mINP
        (0.0, 0.6666666666666666)
    """
    check_choice('cmc', cmc, CMC_KINDS)
    check_choice('ties', ties, TIE_RULES)
    if max_rank < 1 or memory is not None and memory < 1:
        raise ValueError(
            f'max_rank={max_rank}, memory={memory}; give 1 or more (bytes).'
        )
    if not isinstance(distances, Distances):
        distances = MatrixDistances(distances)
    search = Search(
        distances,
        (query_pids, gallery_pids),
        (query_locations, gallery_locations),
        members,
        own_only,
    )
    share = share or Share()
    total, pids = search.sums(cmc, ties, max_rank, memory, share, by_person)
    if share.add_up:
        total = share.add_up(total)
    if not by_person:
        return [_mean(sums, max_rank) for sums in total.sum(axis=0)]
    people, row = np.unique(pids, return_inverse=True)
    each = np.zeros((len(people), *total.shape[1:]))
    np.add.at(each, row, total)
    return [
        replace(_mean(sums.sum(axis=0), max_rank), people=(people, sums))
        for sums in each.swapaxes(0, 1)
    ]


def _mean(sums: Array, max_rank: int) -> RankingScores:
    ap, inp, count = sums[max_rank:].tolist()
    if not count:
        raise ValueError(
            'no query has a true match in the gallery (after leaving out '
            'images of the same location); check pids and cameras of both '
            'sides.'
        )
    cmc = np.cumsum(sums[:max_rank]) / count
    return RankingScores(cmc, ap / count, inp / count, int(count))

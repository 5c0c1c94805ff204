"""CMC, AP and INP from the ranks of true matches."""

import numpy as np
import numpy.typing as npt

from . import tie_expectation as tie
from .backend import Matches
from .feature_arrays import Array

Sums = npt.NDArray[np.float64]


def sum_scores(matches: Matches, max_rank: int) -> Sums:
    """Add up first hits at each rank, AP, INP and 1, (max_rank + 3,)."""
    sums = np.zeros(max_rank + 3)
    before, count = matches.before, matches.count
    tied = np.zeros(len(before), dtype=bool)
    if matches.size is not None:
        inside = np.arange(before.shape[1]) < count[:, None]
        tied |= ((matches.size > 1) & inside).any(axis=1)
        sums += _sum_tied(
            matches, matches.size[tied], tied, inside[tied], max_rank
        )
    plain = ~tied
    before, count = before[plain], count[plain]
    slot = np.arange(before.shape[1])
    precision = (slot + 1) / (before + 1)
    precision[slot >= count[:, None]] = 0
    last = np.take_along_axis(before, count[:, None] - 1, axis=1)[:, 0]
    sums[max_rank] += (precision.sum(axis=1) / count).sum()
    sums[max_rank + 1] += (count / (last + 1)).sum()
    sums[max_rank + 2] += len(matches.before)
    if matches.people is None:
        _add_ranks(sums[:max_rank], before[:, 0])
    else:
        _add_people(sums[:max_rank], matches, matches.people)
    return sums


def _add_ranks(hits: Sums, before: Array) -> None:
    """Add queries whose first hit has ``before`` entries before it."""
    limit = len(hits)
    hits += np.bincount(before[before < limit], minlength=limit)


def _add_people(hits: Sums, matches: Matches, people: Array) -> None:
    limit, tied = len(hits), matches.tied_people
    _add_ranks(hits, np.delete(people, list(tied)))
    for row, (own, others) in tied.items():
        ahead = people[row]
        if ahead < limit:
            chances = tie.identity_rank_distribution(own, others, limit)
            hits[ahead:] += chances[: limit - ahead]


def _sum_tied(
    matches: Matches, size: Array, rows: Array, inside: Array, max_rank: int
) -> Sums:
    """The same for queries with tied matches, in expectation."""
    sums, count = np.zeros(max_rank + 3), matches.count[rows]
    before = matches.before[rows][inside]
    size = size[inside]
    ends = np.cumsum(count) - 1
    starts = ends - count + 1
    row = np.repeat(np.arange(len(count)), count)
    groups, hits = _runs(row, before)
    group_of = np.repeat(np.arange(len(groups)), hits)
    hits_before = groups - np.repeat(starts, count)[groups]
    precision = tie.expected_precision(
        before, size, hits_before[group_of], hits[group_of]
    )
    sums[max_rank] = (np.add.reduceat(precision, starts) / count).sum()

    hits = hits[group_of]
    inverse = 1 / (before[ends] + size[ends])
    # A tie matters for the last match if it mixes in other people.
    for query in np.flatnonzero(size[ends] > hits[ends]):
        end = ends[query]
        inverse[query] = tie.expected_inverse_last(
            int(before[end]), int(size[end]), int(hits[end])
        )
    sums[max_rank + 1] = (count * inverse).sum()
    if matches.people is None:
        _add_tied_hits(
            sums[:max_rank], before[starts], size[starts], hits[starts]
        )
    return sums


def _add_tied_hits(
    total: Sums, before: Array, size: Array, hits: Array
) -> None:
    mixed, limit = size > hits, len(total)
    _add_ranks(total, before[~mixed])
    for query in np.flatnonzero(mixed & (before < limit)):
        ahead = before[query]
        total[ahead:] += tie.first_hit_distribution(
            int(size[query]), int(hits[query]), limit
        )[: limit - ahead]


def _runs(*keys: Array) -> tuple[Array, Array]:
    """Find runs of equal keys: where each one starts, and its length."""
    changes = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(np.r_[True, changes])
    return starts, np.diff(np.r_[starts, len(keys[0])])

"""CMC, AP and INP from the ranks of true matches, expected with ties.

The mean over all orders of a tied group makes a score independent of the
order of the gallery, and puts a collapsed model, whose distances are all
equal, at chance level. Closed forms for precision at a hit follow McSherry
and Najork, "Computing information retrieval performance measures efficiently
in the presence of tied scores", ECIR 2008.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import roots_legendre

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
            chances = identity_rank_distribution(own, others, limit)
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
    precision = expected_precision(
        before, size, hits_before[group_of], hits[group_of]
    )
    sums[max_rank] = (np.add.reduceat(precision, starts) / count).sum()

    hits = hits[group_of]
    inverse = 1 / (before[ends] + size[ends])
    # A tie matters for the last match if it mixes in other people.
    for query in np.flatnonzero(size[ends] > hits[ends]):
        end = ends[query]
        inverse[query] = expected_inverse_last(
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
        total[ahead:] += first_hit_distribution(
            int(size[query]), int(hits[query]), limit
        )[: limit - ahead]


def _runs(*keys: Array) -> tuple[Array, Array]:
    """Find runs of equal keys: where each one starts, and its length."""
    changes = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(np.r_[True, changes])
    return starts, np.diff(np.r_[starts, len(keys[0])])


@lru_cache(maxsize=4)
def _harmonic(count: int) -> Array:
    """Sums of 1 / k up to each k from 0, (count + 1,)."""
    result = np.zeros(count + 1)
    np.cumsum(1 / np.arange(1, count + 1), out=result[1:])
    result.flags.writeable = False
    return result


def expected_precision(
    before: Array, size: Array, hits_before: Array, hits: Array
) -> Array:
    """Expected precision at one of the hits of each tied group, (k,).

    ``before`` images are ranked before the group of ``size``; of them
    ``hits_before`` and of the group ``hits`` are true matches, each (k,).
    """
    before, size = before.astype(np.int64), size.astype(np.int64)
    last = int((before + size).max(initial=0))
    harmonic = _harmonic(1 << last.bit_length())
    span = harmonic[before + size] - harmonic[before]
    share = (hits - 1) / np.maximum(size - 1, 1)
    tied = (
        (hits_before + 1) * span + share * (size - (before + 1) * span)
    ) / size
    alone = (hits_before + 1) / (before + 1)
    return np.asarray(np.where(size == 1, alone, tied))


@lru_cache(maxsize=65536)
def expected_inverse_last(before: int, size: int, hits: int) -> float:
    """Expected 1 / rank of the last true match of a tied group."""
    places = np.arange(size, hits, -1)
    chance = np.empty(size - hits + 1)
    chance[0] = hits / size
    chance[1:] = chance[0] * np.cumprod((places - hits) / (places - 1))
    ranks = before + np.arange(size, hits - 1, -1)
    return float((chance / ranks).sum())


@lru_cache(maxsize=65536)
def first_hit_distribution(size: int, hits: int, limit: int) -> Array:
    """Chance of each place in a tie to be the first hit; read only."""
    result = np.zeros(limit)
    count = min(limit, size - hits + 1)
    places = np.arange(1, count)
    result[0] = hits / size
    result[1:count] = result[0] * np.cumprod(
        (size - places - hits + 1) / (size - places)
    )
    result.flags.writeable = False
    return result


@lru_cache(maxsize=256)
def _nodes(count: int) -> tuple[Array, Array]:
    points, weights = roots_legendre(count)
    return (points + 1) / 2, weights / 2


@lru_cache(maxsize=65536)
def identity_rank_distribution(
    own: int, others: tuple[int, ...], limit: int
) -> Array:
    """Chance of k other identities to come before the true one in a tie.

    ``own`` tied images are of the true identity, ``others`` of each other
    one, sorted. Read only, (limit,).

    Each image of the tied group gets an independent uniform time; an
    identity counts from its earliest image. Given the time of the true
    identity the others are independent, which leaves the integral of a
    polynomial; Gauss-Legendre nodes give it without error but rounding.
    """
    result = np.zeros(limit)
    if all(count == own for count in others):
        result[: len(others) + 1] = 1 / (len(others) + 1)
    else:
        needed = (own + sum(others)) // 2 + 1
        # Powers of two keep the number of different node sets small.
        later, weights = _nodes(1 << (needed - 1).bit_length())
        chance = np.zeros((limit, len(later)))
        chance[0] = 1
        for count in others:
            after = later**count
            passed = chance * (1 - after)
            chance *= after
            chance[1:] += passed[:-1]
        result[:] = chance @ (weights * own * later ** (own - 1))
    result.flags.writeable = False
    return result

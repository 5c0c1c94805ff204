"""Expected scores when tied gallery images come in a random order.

The mean over all orders of a tied group makes a score independent of the
order of the gallery, and puts a collapsed model, whose distances are all
equal, at chance level. Closed forms for precision at a hit follow McSherry
and Najork, "Computing information retrieval performance measures efficiently
in the presence of tied scores", ECIR 2008.
"""

from functools import lru_cache

import numpy as np
from scipy.special import roots_legendre

from .feature_arrays import Array


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

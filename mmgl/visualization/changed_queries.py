"""Queries at which two models differ most."""

import numpy as np
import numpy.typing as npt

from mmgl.evaluation.features_io import FeatureSet
from mmgl.protocols.modality import INFRARED

from .ranking import may_compare, visible_gallery

Ranks = npt.NDArray[np.float64]


def first_match_ranks(
    dump: FeatureSet, single_shot: bool = True, seed: int = 0
) -> Ranks:
    """Rank of the first match (n,), NaN for visible and unmatched."""
    gallery, unit = visible_gallery(dump, single_shot, seed)
    ranks = np.full(len(unit), np.nan)
    for query in map(int, np.flatnonzero(dump.modality == INFRARED)):
        seen = gallery[may_compare(dump, query)[gallery]]
        scores = unit[seen] @ unit[query]
        own = dump.pids[seen] == dump.pids[query]
        if own.any():
            ranks[query] = 1 + (scores > scores[own].max()).sum()
    return ranks


def choose_changed_queries(
    first: FeatureSet,
    second: FeatureSet,
    num_queries: int = 5,
    single_shot: bool = True,
    seed: int = 0,
) -> npt.NDArray[np.intp]:
    """Choose the queries whose first match moved most between two models.

    Alternately the largest gain and the largest loss of the first, in terms of
    the ratio of ranks, one query a person: both directions, whichever model is
    better. Returns positions; fewer where there are fewer.
    """
    both = [
        first_match_ranks(one, single_shot, seed) for one in (first, second)
    ]
    moved = np.log(both[1]) - np.log(both[0])
    ways = [
        [int(place) for place in order if sign * moved[place] > 0]
        for sign, order in (
            (1, np.argsort(-moved, kind='stable')),
            (-1, np.argsort(moved, kind='stable')),
        )
    ]
    chosen: list[int] = []
    people: set[int] = set()
    while any(ways) and len(chosen) < num_queries:
        for way in ways:
            fresh = (p for p in way if int(first.pids[p]) not in people)
            place = next(fresh, None)
            way[:] = [] if place is None else way[way.index(place) + 1 :]
            if place is not None and len(chosen) < num_queries:
                chosen.append(place)
                people.add(int(first.pids[place]))
    if not chosen:
        raise ValueError('both models find every first match at one rank.')
    return np.array(chosen, dtype=np.intp)

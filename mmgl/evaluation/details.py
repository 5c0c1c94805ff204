"""What a report may tell beyond the usual means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .ranking import (
    Reranking,
    Share,
    distances_between,
    score_galleries,
    to_numpy,
)
from .ranking.open_set import nearest_of_each, open_set_figures
from .ranking.rerank import RerankedDistances, SquaredDistances

Figures = dict[str, float]
RERANKED = '_reranked'


@dataclass
class Details:
    """What else to find out, and what was found, by name of the search."""

    # Score each gallery re-ranked, too, as '..._reranked'.
    rerank: Reranking | None = None
    # TPIR of each gallery as it was before that, by thresholds of others.
    open_set: bool = False
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    # Sets of people: numbers (p,), sums in each trial (p, t, max_rank + 3).
    by_person: bool = False
    people: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
    # Distances of queries to the nearest other person, for each trial.
    others: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Searches:
    """Queries, pool and galleries, as ``score_galleries`` takes them."""

    names: Sequence[str]
    features: tuple[Any, Any]
    pids: tuple[npt.ArrayLike, npt.ArrayLike]
    members: npt.NDArray[np.bool_] | None = None
    locations: tuple[Any, Any] = (None, None)
    cmc: str = 'unique_identity'
    own_only: bool = False

    def score(
        self,
        distance: str,
        ties: str,
        share: Share | None = None,
        details: Details | None = None,
    ) -> list[Figures]:
        """Score every gallery: names such as 'all_single/rank1', fractions."""
        details = details or Details()
        distances = distances_between(*self.features, distance)
        how: dict[str, Any] = dict(cmc=self.cmc, ties=ties, share=share)
        how.update(by_person=details.by_person, own_only=self.own_only)
        scores = score_galleries(
            distances, *self.pids, self.members, *self.locations, **how
        )
        pairs = list(zip(self.names, scores, strict=True))
        result = [score.as_dict(name) for name, score in pairs]
        if details.by_person:
            self._keep([score.people for score in scores], details)
        if details.open_set:
            self._add_open_set(result, distances, details)
        if details.rerank:
            self._add_reranked(result, distance, details, details.rerank, how)
        return result

    def _keep(
        self, people: Sequence[Any], details: Details, suffix: str = ''
    ) -> None:
        trials: dict[str, list[Any]] = {}
        for name, one in zip(self.names, people, strict=True):
            trials.setdefault(f'{name}{suffix}', []).append(one)
        for name, mine in trials.items():
            sums = np.stack([sums for _, sums in mine], axis=1)
            details.people.setdefault(name, []).append((mine[0][0], sums))

    def _add_open_set(
        self, result: list[Figures], distances: Any, details: Details
    ) -> None:
        sides = self.pids, self.members, self.locations
        found = nearest_of_each(distances, *sides, own_only=self.own_only)
        for name, figures, one in zip(self.names, result, found, strict=True):
            details.others.setdefault(name, []).append(one.others)
            rates = open_set_figures(one, details.limits.get(name))
            figures.update({f'{name}/{k}': rate for k, rate in rates.items()})

    def _add_reranked(
        self,
        result: list[Figures],
        distance: str,
        details: Details,
        reranking: Reranking,
        how: Mapping[str, Any],
    ) -> None:
        """Score each gallery re-ranked by its own images alone."""
        query, pool = map(to_numpy, self.features)
        squares = SquaredDistances(np.concatenate([query, pool]), distance)
        queries, people = np.arange(len(query)), []
        members = self.members
        if members is None:
            members = np.ones((1, len(pool)), dtype=bool)
        own, places = self.locations
        for name, figures, member in zip(
            self.names, result, members, strict=True
        ):
            gallery = np.flatnonzero(member)
            (score,) = score_galleries(
                RerankedDistances(
                    squares, queries, len(query) + gallery, reranking
                ),
                self.pids[0],
                np.asarray(self.pids[1])[gallery],
                None,
                own,
                None if places is None else places[gallery],
                **how,
            )
            figures.update(score.as_dict(f'{name}{RERANKED}'))
            people.append(score.people)
        if details.by_person:
            self._keep(people, details, RERANKED)

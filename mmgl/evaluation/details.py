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
    """What else to find out, and what was found.

    Attributes:
        rerank: Score each gallery re-ranked, too, under names of searches
            that end in '_reranked'.
        open_set: TPIR of each gallery as it was before that.
        limits: Name of a search -> thresholds of other people, see
            ``open_set_figures``.
        by_person: Keep the sums of each query identity.
        people: Name of a search -> one entry a set of people: their numbers,
            (p,), and the sums in each trial, (p, t, max_rank + 3).
        others: Name of a search -> distances of the queries to the nearest
            other person, one entry a trial.
    """

    rerank: Reranking | None = None
    open_set: bool = False
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    by_person: bool = False
    people: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
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
        scores = score_galleries(
            distances,
            *self.pids,
            self.members,
            *self.locations,
            cmc=self.cmc,
            ties=ties,
            share=share,
            by_person=details.by_person,
            own_only=self.own_only,
        )
        pairs = list(zip(self.names, scores, strict=True))
        result = [score.as_dict(name) for name, score in pairs]
        if details.by_person:
            self._keep([score.people for score in scores], details)
        if details.open_set:
            self._add_open_set(result, distances, details)
        if details.rerank:
            words = result, distance, ties, share
            self._add_reranked(details.rerank, *words, details)
        return result

    def _keep(
        self, people: Sequence[Any], details: Details, suffix: str = ''
    ) -> None:
        for name in dict.fromkeys(self.names):
            mine = [
                one
                for one, own in zip(people, self.names, strict=True)
                if own == name
            ]
            sums = np.stack([sums for _, sums in mine], axis=1)
            found = details.people.setdefault(f'{name}{suffix}', [])
            found.append((mine[0][0], sums))

    def _add_open_set(
        self, result: list[Figures], distances: Any, details: Details
    ) -> None:
        found = nearest_of_each(
            distances,
            self.pids,
            self.members,
            self.locations,
            own_only=self.own_only,
        )
        for name, figures, one in zip(self.names, result, found, strict=True):
            details.others.setdefault(name, []).append(one.others)
            for key, value in open_set_figures(
                one, details.limits.get(name)
            ).items():
                figures[f'{name}/{key}'] = value

    def _add_reranked(
        self,
        how: Reranking,
        result: list[Figures],
        distance: str,
        ties: str,
        share: Share | None,
        details: Details,
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
                RerankedDistances(squares, queries, len(query) + gallery, how),
                self.pids[0],
                np.asarray(self.pids[1])[gallery],
                None,
                own,
                None if places is None else places[gallery],
                cmc=self.cmc,
                ties=ties,
                share=share,
                by_person=details.by_person,
                own_only=self.own_only,
            )
            figures.update(score.as_dict(f'{name}{RERANKED}'))
            people.append(score.people)
        if details.by_person:
            self._keep(people, details, RERANKED)

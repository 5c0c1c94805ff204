"""Ranks of the true matches of queries, found without ordering the rest.

CMC, AP and INP need the ranks of the few true matches only. Sorting bare
distances and looking the matches up is several times cheaper than an
``argsort`` of the gallery.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from .backend import Gallery, Matches
from .feature_arrays import Array

# Distances that are ranked together should stay in the cache, but calls for
# a few rows of a long gallery cost more than that saves.
_CACHE_BYTES, _LEAST_ROWS = 2**21, 32
# In longer galleries it pays to sort no image beyond the last match.
_LONG = 2**14


class HostRanks:
    """Ranking of ``Distances`` in numpy arrays."""

    memory = 2**29
    max_rows = 512

    @staticmethod
    def rank_matches(
        block: Array,
        query_pids: Array,
        gallery: Gallery,
        ties: str,
        unique: bool,
        keep: bool,
    ) -> Iterator[Matches]:
        """See :class:`Distances`."""
        rows, person = gallery.find(query_pids)
        row_bytes = max(1, len(gallery.columns) * block.itemsize)
        step = max(_LEAST_ROWS, _CACHE_BYTES // row_bytes)
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            part = block[rows[some]] if len(rows) < len(block) else block[some]
            if not gallery.whole:
                part = np.take(part, gallery.columns, axis=1)
            elif keep:
                part = part.copy()
            yield rank_rows(part, person[some], gallery, ties, unique)


def rank_rows(
    part: Array, person: Array, gallery: Gallery, ties: str, unique: bool
) -> Matches:
    """Rank the matches of queries that have one; overwrites ``part``."""
    columns, inside = gallery.match_columns(person)
    values = np.take_along_axis(part, columns, axis=1)
    # Repetitions belong at the end.
    values = np.where(inside, values, values.max(axis=1, keepdims=True))
    values.sort(axis=1)
    # Tied images are found again by what they were.
    again = unique or ties == 'gallery_order'
    before, upto = _look_up(part.copy() if again else part, values)
    size: Array | None = upto - before
    tied = (upto - before > 1) & inside
    matches = Matches(gallery.counts[person], before, size, None)
    if unique:
        matches.people, matches.tied_people = _count_people(
            part, values[:, 0], before[:, 0], tied[:, 0], person, gallery, ties
        )
    if not tied.any():
        matches.size = None
    elif ties == 'gallery_order':
        rows = np.flatnonzero(tied.any(axis=1))
        order = np.argsort(part[rows], axis=1, kind='stable')
        hits = gallery.person[order] == person[rows][:, None]
        if gallery.seen is not None:
            hits &= gallery.seen[order]
        exact = before[rows]
        exact[inside[rows]] = np.nonzero(hits)[1]
        before[rows], matches.size = exact, None
    return matches


def _look_up(part: Array, values: Array) -> tuple[Array, Array]:
    """Count the images nearer than each value, and up to it."""
    before = np.empty(values.shape, dtype=np.int64)
    upto = np.empty_like(before)
    last = values[:, -1]
    rows: Iterable[Array] = part
    if part.shape[1] > _LONG and (part[0, ::64] <= last[0]).mean() < 0.4:
        rows = (
            np.sort(row[np.flatnonzero(row <= most)])
            for row, most in zip(part, last, strict=True)
        )
    else:
        part.sort(axis=1)
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        before[number] = row.searchsorted(value)
        upto[number] = row.searchsorted(value, 'right')
    return before, upto


def _count_people(
    part: Array,
    first: Array,
    before: Array,
    tied: Array,
    person: Array,
    gallery: Gallery,
    ties: str,
) -> tuple[Array, dict[int, tuple[int, tuple[int, ...]]]]:
    """Count the identities ahead of the first match."""
    seen = np.zeros((len(part), len(gallery.people)), dtype=bool)
    row = np.repeat(np.arange(len(part)), before)
    place = np.flatnonzero(part < first[:, None])
    seen[row, gallery.person[place - row * part.shape[1]]] = True
    people, tied_people = seen.sum(axis=1), {}
    for number in np.flatnonzero(tied).tolist():
        columns = np.flatnonzero(part[number] == first[number])
        met, own = gallery.person[columns], person[number]
        if ties == 'gallery_order':
            met = met[: np.argmax(met == own)]
        images = np.bincount(met, minlength=len(gallery.people))
        images[seen[number]] = 0
        others = np.sort(np.delete(images, own))
        others = others[others > 0]
        if ties == 'gallery_order':
            people[number] += len(others)
        elif len(others):
            tied_people[number] = int(images[own]), tuple(others.tolist())
    return people, tied_people

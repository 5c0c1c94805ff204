"""Ranks of the true matches of queries, found without ordering the rest.

CMC, AP and INP need the ranks of the few true matches only. Sorting the
distances themselves, without their indices, and looking the matches up is
several times cheaper than an ``argsort`` of the gallery.
"""

from dataclasses import dataclass

import numpy as np

# Distances that are ranked together should stay in the cache, but calls for
# a few rows of a long gallery cost more than that saves.
_CACHE_BYTES, _LEAST_ROWS = 2**21, 32
# In longer galleries it pays to sort no image beyond the last match.
_LONG = 2**14


@dataclass
class Matches:
    """Ranks of the true matches of n queries, each of which has one.

    Attributes:
        count (np.ndarray): True matches of each query, (n,).
        before (np.ndarray): Images nearer than each match, from the nearest
            match on, (n, p); only the first ``count`` of a row count.
        size (np.ndarray, optional): Images at the distance of each match,
            itself included, (n, p). None if it is one for all.
        people (np.ndarray, optional): Identities with an image nearer than
            the first match, (n,); for the unique-identity CMC.
        tied_people (dict[int, tuple]): Row of a query whose first match is
            tied with other identities not counted in ``people`` -> tied
            images of its own identity, and of each other one, sorted.
    """

    count: np.ndarray
    before: np.ndarray
    size: np.ndarray | None
    people: np.ndarray | None
    tied_people: dict


class Gallery:
    """A gallery as the queries of one location see it.

    Args:
        columns (np.ndarray): Its images in the pool, ascending, (g,).
        pids (np.ndarray): Identities of the pool, (m,).
    """

    def __init__(self, columns, pids):
        self.columns, self.whole = columns, len(columns) == len(pids)
        people, self.person = np.unique(pids[columns], return_inverse=True)
        self.people, self.by_person = (
            people,
            np.argsort(self.person, kind='stable'),
        )
        self.counts = np.bincount(self.person, minlength=len(people))
        self.starts = np.cumsum(self.counts) - self.counts

    def find(self, query_pids):
        """Find the queries with a true match.

        Args:
            query_pids (np.ndarray): (n,).

        Returns:
            tuple[np.ndarray, np.ndarray]: Their rows, (k,), and the number
            of the identity of each in ``people``, (k,).
        """
        if not len(self.people):
            return np.zeros((2, 0), dtype=np.intp)
        person = np.searchsorted(self.people, query_pids)
        person = np.minimum(person, len(self.people) - 1)
        rows = np.flatnonzero(self.people[person] == query_pids)
        return rows, person[rows]

    def match_columns(self, person):
        """List the columns of the true matches.

        Args:
            person (np.ndarray): Identity of each query, (k,).

        Returns:
            tuple[np.ndarray, np.ndarray]: Columns, (k, p), the last one of
            a row repeated, and bool (k, p), whether it is no repetition.
        """
        count = self.counts[person][:, None]
        slot = np.arange(count.max())
        columns = self.starts[person][:, None] + np.minimum(slot, count - 1)
        return self.by_person[columns], slot < count


def rank_matches(block, query_pids, gallery, ties, unique, keep=True):
    """Rank the true matches of some queries in one gallery.

    Args:
        block (np.ndarray): Distances to the pool, (n, m).
        query_pids (np.ndarray): (n,).
        gallery (Gallery): A part of the pool.
        ties (str): 'expected' or 'gallery_order'; by the latter an image
            counts as nearer than one at the same distance after it.
        unique (bool): Count ``people``, too.
        keep (bool): Leave ``block`` as it is.

    Yields:
        Matches: Of some of the queries at a time.
    """
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


def rank_rows(part, person, gallery, ties, unique):
    """Rank the true matches of queries that each have one.

    Args:
        part (np.ndarray): Distances to the gallery, (n, g); overwritten.
        person (np.ndarray): See :meth:`Gallery.find`, (n,).
        gallery (Gallery): The gallery.
        ties (str): See :func:`rank_matches`.
        unique (bool): See :func:`rank_matches`.

    Returns:
        Matches: Of these queries.
    """
    columns, inside = gallery.match_columns(person)
    values = np.take_along_axis(part, columns, axis=1)
    # Repetitions belong at the end.
    values = np.where(inside, values, values.max(axis=1, keepdims=True))
    values.sort(axis=1)
    # Tied images are found again by what they were.
    again = unique or ties == 'gallery_order'
    before, upto = _look_up(part.copy() if again else part, values)
    size = upto - before
    tied = (size > 1) & inside
    people, tied_people = None, {}
    if unique:
        people, tied_people = _count_people(
            part, values[:, 0], before[:, 0], tied[:, 0], person, gallery, ties
        )
    if not tied.any():
        size = None
    elif ties == 'gallery_order':
        rows = np.flatnonzero(tied.any(axis=1))
        order = np.argsort(part[rows], axis=1, kind='stable')
        hits = gallery.person[order] == person[rows][:, None]
        exact = before[rows]
        exact[inside[rows]] = np.nonzero(hits)[1]
        before[rows], size = exact, None
    return Matches(gallery.counts[person], before, size, people, tied_people)


def _look_up(part, values):
    """Count the images nearer than each value, and up to it."""
    before = np.empty(values.shape, dtype=np.int64)
    upto = np.empty_like(before)
    last = values[:, -1]
    if part.shape[1] > _LONG and (part[0, ::64] <= last[0]).mean() < 0.4:
        part = (
            np.sort(row[np.flatnonzero(row <= most)])
            for row, most in zip(part, last, strict=True)
        )
    else:
        part.sort(axis=1)
    for number, (row, value) in enumerate(zip(part, values, strict=True)):
        before[number] = row.searchsorted(value)
        upto[number] = row.searchsorted(value, 'right')
    return before, upto


def _count_people(part, first, before, tied, person, gallery, ties):
    """Count the identities ahead of the first match."""
    seen = np.zeros((len(part), len(gallery.people)), dtype=bool)
    row = np.repeat(np.arange(len(part)), before)
    place = np.flatnonzero(part < first[:, None])
    seen[row, gallery.person[place - row * part.shape[1]]] = True
    people, tied_people = seen.sum(axis=1), {}
    for number in np.flatnonzero(tied):
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
            tied_people[int(number)] = (
                int(images[own]),
                tuple(others.tolist()),
            )
    return people, tied_people

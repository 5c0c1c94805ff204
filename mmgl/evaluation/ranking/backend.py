"""What ranks the matches of queries: the interface of host and device."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from .feature_arrays import Array

Block = TypeVar('Block')


@dataclass
class Matches:
    """Ranks of the true matches of n queries, each of which has one."""

    count: Array  # true matches of each query, (n,)
    # Images nearer than each match, nearest first, (n, p); ``count`` of a row.
    before: Array
    # Images at the distance of each match, itself included; None is one.
    size: Array | None
    # Identities ahead of the first match, (n,), for the unique-identity CMC.
    people: Array | None
    # Where others tie with the first match: row of the query -> tied images
    # of its own identity, and of each other one not in ``people``, sorted.
    tied_people: dict[int, tuple[int, tuple[int, ...]]] = field(
        default_factory=dict
    )


class Gallery:
    """A gallery as the queries of one location see it.

    ``columns`` are its images in the pool, ascending, (g,); ``pids`` the
    identities of the pool, (m,). Of ``hidden`` images, (m,), only other
    persons count: a block has them at an infinite distance.
    """

    def __init__(
        self, columns: Array, pids: Array, hidden: Array | None = None
    ) -> None:
        self.columns, self.whole = columns, len(columns) == len(pids)
        self.people, self.person = np.unique(
            pids[columns], return_inverse=True
        )
        self.seen = None if hidden is None else ~hidden[columns]
        order = np.argsort(self.person, kind='stable')
        self.by_person = (
            order if self.seen is None else order[self.seen[order]]
        )
        matches = self.person[self.by_person]
        self.counts = np.bincount(matches, minlength=len(self.people))
        self.starts = np.cumsum(self.counts) - self.counts

    def find(self, query_pids: Array) -> tuple[Array, Array]:
        """Find the queries with a true match, and their place in people."""
        people = self.people
        if self.seen is not None:
            people = people[self.counts > 0]
        rows = np.flatnonzero(np.isin(query_pids, people))
        return rows, np.searchsorted(self.people, query_pids[rows])

    def match_columns(self, person: Array) -> tuple[Array, Array]:
        """List columns of matches, (k, p), and which are no repetition."""
        count = self.counts[person][:, None]
        slot = np.arange(count.max())
        columns = self.starts[person][:, None] + np.minimum(slot, count - 1)
        return self.by_person[columns], slot < count


@runtime_checkable
class Distances(Protocol[Block]):
    """Distances of n queries to a pool of m images, and ranks by them.

    Attributes:
        shape: (n, m).
        itemsize: Bytes of a distance.
        memory: Bytes that a block of rows may take.
        max_rows: Rows of a block; more do not make it faster.
    """

    shape: tuple[int, int]
    itemsize: int
    memory: int
    max_rows: int

    def rows(self, index: Array, out: Block | None = None) -> Block:
        """Give the distances of some queries; ``out`` may be overwritten."""

    def rank_matches(
        self,
        block: Block,
        query_pids: Array,
        gallery: Gallery,
        ties: str,
        unique: bool,
        keep: bool,
    ) -> Iterator[Matches]:
        """Rank the true matches of the queries of a block in one gallery.

        By ``ties`` 'gallery_order' an image counts as nearer than one at the
        same distance after it. ``unique`` counts ``people``, too; ``keep``
        leaves the block as it is. Yields some of the queries at a time.
        """

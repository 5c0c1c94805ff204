"""A pool of gallery images sorted once a query, counted for many galleries.

The rank of an image within a gallery is the number of members of that
gallery up to it in the sorted pool: a running sum, taken for several
galleries at once in the parts of one 64-bit integer.
"""

import numpy as np


class Pool:
    """The pool as queries of one location see it, ready for counting.

    Args:
        pids (np.ndarray): Identities, (m,).
        members (np.ndarray): bool (t, m), the images of each gallery.
    """

    def __init__(self, pids, members):
        self.pids, self.members = pids, members
        # A count never overflows its part of the 64 bits, so no carry.
        self.part = np.uint16 if len(pids) < 2**16 else np.uint32
        self.width = 8 // np.dtype(self.part).itemsize
        blocks = -(-len(members) // self.width)
        padded = np.zeros((blocks * self.width, len(pids)), self.part)
        padded[:len(members)] = members
        self.packed = [
            np.ascontiguousarray(block.T).view(np.uint64)[:, 0]
            for block in padded.reshape(blocks, self.width, -1)
        ]
        self.by_identity = [self._group(row) for row in members]

    def _group(self, member):
        """Columns of a gallery by identity, and where each one starts."""
        columns = np.flatnonzero(member)
        columns = columns[np.argsort(self.pids[columns], kind='stable')]
        new = np.diff(self.pids[columns]) != 0
        starts = np.flatnonzero(np.r_[True, new]) if columns.size else columns
        return columns, starts


def _sort(distances, ties):
    """Sort rows; equal values stay in gallery order if the rule says so."""
    order = np.argsort(distances, axis=1)
    values = np.take_along_axis(distances, order, axis=1)
    new = np.ones(order.shape, dtype=bool)
    np.not_equal(values[:, 1:], values[:, :-1], out=new[:, 1:])
    tied = ~new.all(axis=1)
    if ties == 'gallery_order':
        # The stable sort is slower; only rows that have ties need it.
        order[tied] = np.argsort(distances[tied], axis=1, kind='stable')
        return order, None
    return order, new if tied.any() else None


def _tie_bounds(new):
    """First position of each tied group, and the one after its last."""
    columns = np.arange(new.shape[1])
    low = np.maximum.accumulate(np.where(new, columns, 0), axis=1)
    starts = np.where(new, columns, new.shape[1])
    high = np.minimum.accumulate(starts[:, ::-1], axis=1)[:, ::-1]
    high = np.concatenate(
        [high[:, 1:], np.full((len(new), 1), new.shape[1])], axis=1)
    return low, high


class Chunk:
    """Sorted chunk of queries with all their true matches in the pool.

    The k true matches of all queries lie one after another, query by query
    and from near to far: ``row`` is the query, ``column`` the pool image,
    ``low`` and ``high`` bound its group of tied images in the sorted pool
    (``low + 1 == high`` without a tie). ``places`` (m, n) holds ``low`` of
    every pool image, for the unique-identity CMC.

    Args:
        distances (np.ndarray): (n, m), smaller is nearer.
        query_pids (np.ndarray): (n,).
        pool (Pool): The m images.
        ties (str): 'expected' or 'gallery_order'.
        cmc (str): 'unique_identity' or 'standard'.
    """

    def __init__(self, distances, query_pids, pool, ties, cmc):
        self.pool, self.query_pids = pool, query_pids
        self.order, new = _sort(distances, ties)
        match = pool.pids[self.order] == query_pids[:, None]
        self.row, position = np.nonzero(match)
        self.column = self.order[self.row, position]
        self.low, self.high = position, position + 1
        self.tied = new is not None
        if self.tied:
            # Only rows that have ties pay for finding the tied groups.
            rows = np.flatnonzero(~new.all(axis=1))
            low, high = _tie_bounds(new[rows])
            part = np.full(len(new), -1)
            part[rows] = np.arange(len(rows))
            part = part[self.row]
            own = part >= 0
            self.low = np.where(own, low[part, position], self.low)
            self.high = np.where(own, high[part, position], self.high)
        self.places = None
        if cmc == 'unique_identity':
            dtype = np.int16 if len(pool.pids) < 2**15 else np.int32
            first = np.empty(self.order.shape, dtype)
            first[:] = np.arange(first.shape[1])
            if self.tied:
                first[rows] = low
            places = np.empty_like(first)
            np.put_along_axis(places, self.order, first, axis=1)
            self.places = np.ascontiguousarray(places.T)

    def counts(self):
        """Count members of each gallery around every true match.

        Yields:
            tuple[int, np.ndarray, np.ndarray]: Number of the gallery; its
            members before the tied group of each match, (k,), and in it,
            (k,).
        """
        pool, shape = self.pool, (len(self.row), self.pool.width)
        number = 0
        for packed in pool.packed:
            running = np.cumsum(packed[self.order], axis=1)
            upto = running[self.row, self.high - 1]
            before = np.where(
                self.low > 0, running[self.row, self.low - 1], np.uint64(0))
            size = (upto - before).view(pool.part).reshape(shape)
            before = before.view(pool.part).reshape(shape)
            for part in range(pool.width):
                if number == len(pool.members):
                    return
                yield number, before[:, part], size[:, part]
                number += 1


def runs(*keys):
    """Find runs of equal keys.

    Args:
        *keys (np.ndarray): (k,) each; a run ends where any of them changes.

    Returns:
        tuple[np.ndarray, np.ndarray]: Start of each run, and its length.
    """
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = False
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(new)
    return starts, np.diff(np.r_[starts, len(new)])

"""Distances and ranks of features that lie on an accelerator.

The same figures as ``distances`` and ``match_ranks`` give on the host, for
torch tensors: the product, the counting and the memory stay on the device,
only the ranks of the true matches come back.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .backend import Gallery, Matches
from .feature_arrays import (
    NORM_FLOOR,
    Array,
    Values,
    check_where_it_is,
    check_widths,
)
from .match_ranks import rank_rows

# Distances of a gallery that are ranked together; counting takes three times
# as much again, sorting four times.
_PART_BYTES = 2**26
# Up to so many matches of a query, counting is cheaper than sorting.
_FEW = 64


class DeviceDistances:
    """Cosine distances of tensors, (n, d) and (m, d), where they are."""

    memory = 2**28
    max_rows = 8192

    def __init__(self, query: Values, gallery: Values) -> None:
        query, gallery = (
            torch.as_tensor(check_where_it_is(features, f'{name} features'))
            for name, features in (('query', query), ('gallery', gallery))
        )
        check_widths(query, gallery)
        dtype = torch.promote_types(query.dtype, gallery.dtype)
        self._query = -_normalise(query.to(dtype))
        gallery = _normalise(gallery.to(dtype))
        self.shape = (len(query), len(gallery))
        self.itemsize = self._query.element_size()
        first, expand = _unique_rows(gallery)
        repeated = len(first) < len(gallery)
        self._gallery = gallery[first] if repeated else gallery
        self._expand = expand if repeated else None

    def rows(self, index: Array, out: Tensor | None = None) -> Tensor:
        """See :class:`Distances`."""
        query = self._query[_tensor(index, self._query)]
        if out is None or len(out) < len(query) or self._expand is not None:
            out = query.new_empty((len(query), len(self._gallery)))
        # Reduced precision would make images tie that do not.
        allowed = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        try:
            result = torch.matmul(
                query, self._gallery.T, out=out[: len(query)]
            )
        finally:
            torch.backends.cuda.matmul.allow_tf32 = allowed
        return result if self._expand is None else result[:, self._expand]

    @staticmethod
    def rank_matches(
        block: Tensor,
        query_pids: Array,
        gallery: Gallery,
        ties: str,
        unique: bool,
        keep: bool,
    ) -> Iterator[Matches]:
        """See :class:`Distances`; the block stays as it is in any case."""
        rows, person = gallery.find(query_pids)
        columns = _tensor(gallery.columns, block)
        row_bytes = max(1, len(columns) * block.element_size())
        step = max(1, _PART_BYTES // row_bytes)
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            part = block[_tensor(rows[some], block)]
            if not gallery.whole:
                part = part[:, columns]
            yield from _rank(part, person[some], gallery, ties, unique)


def _rank(
    part: Tensor, person: Array, gallery: Gallery, ties: str, unique: bool
) -> Iterator[Matches]:
    """Rank on the device; queries with ties are few and go to the host."""
    columns, inside = gallery.match_columns(person)
    values = part.gather(1, _tensor(columns, part))
    inside_there = _tensor(inside, part)
    values = values.where(inside_there, values.amax(dim=1, keepdim=True))
    values = values.sort(dim=1).values
    before, upto = _look_up(part, values)
    tied = ((upto - before > 1) & inside_there).any(dim=1)
    plain = ~tied.cpu().numpy()
    if not plain.all():
        yield rank_rows(
            part[tied].cpu().numpy(), person[~plain], gallery, ties, unique
        )
    if plain.any():
        counts, people = gallery.counts[person[plain]], None
        if unique:
            people = _count_people(part, values, gallery)[plain]
        yield Matches(counts, before.cpu().numpy()[plain], None, people)


def _count_people(part: Tensor, values: Tensor, gallery: Gallery) -> Array:
    """Count the identities ahead of the first match."""
    size = len(part), len(gallery.people)
    met = part.new_zeros(size, dtype=torch.bool)
    row, column = (part < values[:, :1]).nonzero(as_tuple=True)
    met[row, _tensor(gallery.person, part)[column]] = True
    return np.asarray(met.sum(dim=1).cpu())


def _look_up(part: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Count the images nearer than each value, and up to it."""
    if values.shape[1] > _FEW:
        ordered = part.sort(dim=1).values
        return (
            torch.searchsorted(ordered, values),
            torch.searchsorted(ordered, values, right=True),
        )
    counts = [
        ((part < one[:, None]).sum(dim=1), (part <= one[:, None]).sum(dim=1))
        for one in values.T
    ]
    before, upto = zip(*counts, strict=True)
    return torch.stack(before, dim=1), torch.stack(upto, dim=1)


def _tensor(array: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)


def _normalise(features: Tensor) -> Tensor:
    """The same as ``unit_rows``."""
    norms = features.double().norm(dim=1, keepdim=True)
    info = torch.finfo(features.dtype)
    if (norms - 1).abs().max() < 2 * info.eps:
        return features
    wild = (norms < NORM_FLOOR) | ~(norms < info.max)
    if wild.any():
        largest = features.abs().amax(dim=1, keepdim=True)
        features = features / largest.where(wild & (largest > 0), 1)
        norms = features.double().norm(dim=1, keepdim=True)
    norms = norms.clamp_min(NORM_FLOOR).to(features.dtype)
    return torch.div(features, norms)


def _unique_rows(features: Tensor) -> tuple[Tensor, Tensor]:
    """Number of the first row like each distinct one, and its place."""
    _, inverse = torch.unique(features + 0, dim=0, return_inverse=True)
    every = torch.arange(len(features), device=features.device)
    first = every.new_full((int(inverse.max()) + 1,), len(features))
    return first.scatter_reduce(0, inverse, every, 'amin'), inverse

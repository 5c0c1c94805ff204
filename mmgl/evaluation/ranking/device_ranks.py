"""Distances and ranks of features that lie on an accelerator.

The same figures as ``distances`` and ``match_ranks`` give on the host, for
torch tensors: the product, the counting and the memory stay on the device,
only the ranks of the true matches come back.
"""

import numpy as np
import torch

from .feature_arrays import check_features, check_widths
from .match_ranks import Matches, rank_rows

_NORM_FLOOR = 1e-12
# Distances of a gallery that are ranked together; counting takes three times
# as much again, sorting four times.
_PART_BYTES = 2**26
# Up to so many matches of a query, counting is cheaper than sorting.
_FEW = 64


class DeviceDistances:
    """Cosine distances of tensors, computed where they are.

    Args:
        query (Tensor): Features, (n, d).
        gallery (Tensor): Features, (m, d), on the same device.

    Raises:
        ValueError: For different d, NaN or Inf.
    """

    memory = 2**28  # bytes of a block, see score_galleries
    max_rows = 8192

    def __init__(self, query, gallery):
        query = check_features(query, 'query features', keep_device=True)
        gallery = check_features(gallery, 'gallery features', keep_device=True)
        check_widths(query, gallery)
        dtype = torch.promote_types(query.dtype, gallery.dtype)
        self._query = -_normalise(query.to(dtype))
        gallery = _normalise(gallery.to(dtype))
        self.shape = (len(query), len(gallery))
        self.dtype = np.float64 if dtype == torch.float64 else np.float32
        first, self._expand = _unique_rows(gallery)
        self._gallery = gallery
        if len(first) == len(gallery):
            self._expand = None
        else:
            self._gallery = gallery[first]

    def rows(self, index, out=None):
        """Compute some rows of the distance matrix.

        Args:
            index (np.ndarray): Query numbers.
            out (Tensor, optional): An earlier result, to be overwritten.

        Returns:
            Tensor: (len(index), m), smaller is nearer.
        """
        query = self._query[_tensor(index, self._query)]
        # Reduced precision would make images tie that do not.
        allowed = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        try:
            if (
                out is None
                or len(out) < len(query)
                or (self._expand is not None)
            ):
                result = query @ self._gallery.T
            else:
                result = torch.matmul(
                    query, self._gallery.T, out=out[: len(query)]
                )
        finally:
            torch.backends.cuda.matmul.allow_tf32 = allowed
        return result if self._expand is None else result[:, self._expand]

    @staticmethod
    def rank_matches(block, query_pids, gallery, ties, unique, keep=True):
        """Rank the true matches of some queries in one gallery.

        Args:
            block (Tensor): Distances to the pool, (n, m).
            query_pids (np.ndarray): (n,).
            gallery (Gallery): A part of the pool.
            ties (str): 'expected' or 'gallery_order'.
            unique (bool): Count identities, too.
            keep (bool): Not used; ``block`` always stays as it is.

        Yields:
            Matches: Of some of the queries at a time.
        """
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


def _rank(part, person, gallery, ties, unique):
    """Rank on the device; queries with ties are few and go to the host."""
    columns, inside = gallery.match_columns(person)
    values = part.gather(1, _tensor(columns, part))
    inside_there = _tensor(inside, part)
    values = values.where(inside_there, values.amax(dim=1, keepdim=True))
    values = values.sort(dim=1).values
    before, upto = _look_up(part, values)
    tied = ((upto - before > 1) & inside_there).any(dim=1)
    people = None
    if unique:
        met = torch.zeros(
            (len(part), len(gallery.people)),
            dtype=torch.bool,
            device=part.device,
        )
        row, column = (part < values[:, :1]).nonzero(as_tuple=True)
        met[row, _tensor(gallery.person, part)[column]] = True
        people = met.sum(dim=1).cpu().numpy()
    before, plain = before.cpu().numpy(), ~tied.cpu().numpy()
    if not plain.all():
        yield rank_rows(
            part[tied].cpu().numpy(), person[~plain], gallery, ties, unique
        )
    if plain.any():
        yield Matches(
            gallery.counts[person[plain]],
            before[plain],
            None,
            people[plain] if unique else None,
            {},
        )


def _look_up(part, values):
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


def to_float(features):
    """Give the precision in which features are compared.

    Args:
        features (Tensor): Any shape.

    Returns:
        Tensor: float64 stays float64, the rest becomes float32.
    """
    return features if features.dtype == torch.float64 else features.float()


def _tensor(array, like):
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)


def _normalise(features):
    norms = features.double().norm(dim=1, keepdim=True)
    if (norms - 1).abs().max() < 2 * torch.finfo(features.dtype).eps:
        return features  # of unit length up to rounding
    return features / norms.clamp_min(_NORM_FLOOR).to(features.dtype)


def _unique_rows(features):
    """Number of the first row like each distinct one, and its place."""
    _, inverse = torch.unique(features + 0, dim=0, return_inverse=True)
    count = int(inverse.max()) + 1
    first = torch.full((count,), len(features), device=features.device)
    first.scatter_reduce_(
        0, inverse, torch.arange(len(features), device=features.device), 'amin'
    )
    return first, inverse

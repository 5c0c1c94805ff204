"""Open-set figures: what if the person is not in the gallery?

Every query is searched for twice: in the gallery (mated), and in the gallery
without the images of its own person (non-mated). A search answers with the
nearest image if it is nearer than a threshold.

* FPIR: share of non-mated searches that answer.
* TPIR: share of mated searches that answer with the right person.

After Grother and Ngan, *Face Recognition Vendor Test*, NISTIR 8009, 2014, with
a candidate list of one; TPIR is DIR at rank 1 and FPIR is FAR in Liao et al.,
*Open-set Person Re-identification*, 2014.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .backend import Distances
from .feature_arrays import to_numpy
from .scoring import Search

Floats = npt.NDArray[np.float64]

# Names of the figures, and the FPIR that each threshold is chosen for.
RATES = {'1': 0.01, '10': 0.1}


@dataclass(frozen=True)
class Nearest:
    """Distance to the nearest image of the own and of any other person."""

    own: Floats
    others: Floats


def nearest_of_each(
    distances: Distances[Any],
    pids: tuple[npt.ArrayLike, npt.ArrayLike],
    members: npt.ArrayLike | None = None,
    locations: tuple[npt.ArrayLike | None, npt.ArrayLike | None] = (
        None,
        None,
    ),
    memory: int | None = None,
    own_only: bool = False,
) -> list[Nearest]:
    """Find the nearest in every gallery, as ``score_galleries`` does."""
    search = Search(distances, pids, locations, members, own_only)
    shape = 2, len(search.members), distances.shape[0]
    nearest = np.full(shape, np.inf)
    for index, galleries in search.blocks(memory, by_person=True):
        block = to_numpy(distances.rows(index))
        person = search.query_pids[index[0]]
        for number, gallery in enumerate(galleries):
            own = search.gallery_pids[gallery.columns] == person
            seen = own if gallery.seen is None else own & gallery.seen
            for side, chosen in enumerate((seen, ~own)):
                if chosen.any():
                    part = block[:, gallery.columns[chosen]]
                    nearest[side, number, index] = part.min(axis=1)
    return [Nearest(*both) for both in nearest.swapaxes(0, 1)]


def thresholds(others: Sequence[Floats]) -> dict[str, float]:
    """Choose the largest distances of others that keep each FPIR."""
    ordered = np.sort(np.concatenate(others))
    # 0.1 * 30 is a little more than 3.
    allowed = {n: int(r * len(ordered) + 1e-9) for n, r in RATES.items()}
    return {name: float(ordered[most]) for name, most in allowed.items()}


def open_set_figures(
    nearest: Nearest, chosen: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Give TPIR1 and TPIR10, as fractions.

    With thresholds that were ``chosen`` on other people also FPIR1 and
    FPIR10, what they led to here; else each is that with the FPIR of its name
    here. Queries without a true match have no mated search; none at all is a
    ValueError. A tie with another person is no identification.
    """
    mated = np.isfinite(nearest.own)
    if not mated.any():
        raise ValueError('no query has a true match in the gallery.')
    right = mated & (nearest.own < nearest.others)
    limits = chosen or thresholds([nearest.others])
    figures = {}
    for name, limit in limits.items():
        found = right & (nearest.own < limit)
        figures[f'TPIR{name}'] = float(found.sum() / mated.sum())
    for name, limit in (chosen or {}).items():
        figures[f'FPIR{name}'] = float(np.mean(nearest.others < limit))
    return figures

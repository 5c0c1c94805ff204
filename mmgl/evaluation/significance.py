"""How sure figures are: intervals and tests over the people that are sought.

Images of one person are no independent samples, so people are resampled, with
all their queries; the galleries stay. What is given are sums over the queries
of each person, as ``Details.people`` has them: sets of people, each with
numbers (p,) and sums (p, t, max_rank + 3) in t trials. Sets, as the splits of
RegDB, are resampled independently, the trials of one set together.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
PeopleSums: TypeAlias = Sequence[tuple[npt.NDArray[Any], Floats]]

LEVEL = 0.95
NAMES = ('r1', 'r5', 'r10', 'r20', 'mAP', 'mINP')
_RANKS = (1, 5, 10, 20)


def _figure_sums(sums: Floats) -> Floats:
    """Sums of the figures, in the order of NAMES, and of queries, (..., 7)."""
    most = sums.shape[-1] - 3
    hits = np.cumsum(sums[..., :most], axis=-1)
    ranks = [min(rank, most) - 1 for rank in _RANKS]
    return np.concatenate([hits[..., ranks], sums[..., most:]], axis=-1)


def _replicates(people: PeopleSums, samples: int, seed: int) -> Floats:
    """Figures of resampled people, the mean over all trials, (samples, 6)."""
    rng = np.random.default_rng(seed)
    trials = []
    for _, sums in people:
        found = _figure_sums(sums)
        found = found[(found[..., -1] > 0).any(axis=1)]  # who asked
        count = len(found)
        weights = rng.multinomial(count, np.full(count, 1 / count), samples)
        total = np.einsum('sp,ptf->tsf', weights, found, optimize=True)
        trials += list(total[..., :-1] / total[..., -1:])
    return np.asarray(np.mean(trials, axis=0))


def _intervals(replicates: Floats) -> dict[str, list[float]]:
    ends = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return dict(zip(NAMES, ends.T.tolist(), strict=True))


def bootstrap_intervals(
    people: PeopleSums, samples: int, seed: int = 0
) -> dict[str, list[float]]:
    """Give percentile intervals of 95 % by name of the figure."""
    return _intervals(_replicates(people, samples, seed))


def _differences(people: PeopleSums, others: PeopleSums) -> Floats:
    """Share of each person in the difference of the figures, (p, 6)."""
    parts = []
    trials = sum(sums.shape[1] for _, sums in people)
    for (pids, sums), (other_pids, other_sums) in zip(
        people, others, strict=True
    ):
        mine, theirs = _figure_sums(sums), _figure_sums(other_sums)
        if not np.array_equal(pids, other_pids) or not np.array_equal(
            mine[..., -1], theirs[..., -1]
        ):
            raise ValueError(
                'both must have the same queries of the same people; give '
                'features of the same images.'
            )
        gap = mine[..., :-1] - theirs[..., :-1]
        parts.append((gap / mine[..., -1].sum(axis=0)[:, None]).sum(axis=1))
    return np.asarray(np.concatenate(parts) / trials)


def compare_people(
    people: PeopleSums, others: PeopleSums, samples: int, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Test whether figures differ from those of other features.

    By name of the figure: ``difference``, first minus second; ``interval``,
    by a bootstrap of the same people; two-sided ``p``, by swapping people.
    """
    from scipy.stats import permutation_test

    if len(people) != len(others):
        raise ValueError('both must have the same trials.')
    each = _differences(people, others)
    # The same seed draws the same people.
    gaps = _replicates(people, samples, seed)
    gaps -= _replicates(others, samples, seed)
    intervals = _intervals(gaps)
    result = {}
    for name, shares in zip(NAMES, each.T, strict=True):
        test = permutation_test(
            (shares,),
            np.sum,
            permutation_type='samples',
            n_resamples=samples,
            vectorized=True,
            random_state=np.random.default_rng(seed),
        )
        result[name] = dict(
            difference=float(shares.sum()),
            interval=intervals[name],
            p=float(test.pvalue),
        )
    return result

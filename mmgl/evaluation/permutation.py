"""Accuracy of recovered stripe permutations by Hungarian matching."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from .ranking import Values, to_numpy


def hungarian_permutation(logits: Values) -> npt.NDArray[np.int64]:
    """Permutation with the largest sum of scores, (n,) or (b, n).

    Kuhn's Hungarian method, the noise-free limit of the Sinkhorn operator
    (Mena et al., ICLR 2018). ``logits[..., i, j]``, (n, n) or (b, n, n) and
    without noise, says how well shuffled stripe i fits place j.
    """
    scores = to_numpy(logits)
    if scores.ndim not in (2, 3) or scores.shape[-1] != scores.shape[-2]:
        raise ValueError(
            f'logits have shape {scores.shape}; give (n, n) or (b, n, n).'
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            'logits have NaN or Inf; check that pre-training did not diverge.'
        )
    single = scores.reshape(-1, *scores.shape[-2:])
    found = [linear_sum_assignment(one, maximize=True)[1] for one in single]
    return np.array(found, dtype=np.int64).reshape(scores.shape[:-1])


def permutation_matches(
    logits: Values, permutations: Values
) -> npt.NDArray[np.bool_]:
    """Mark the stripes that the matching puts in their true place, (b, n).

    Shuffled stripe i is original stripe ``permutations[:, i]``, from 0, by
    logits (b, n, n); see :func:`hungarian_permutation`.
    """
    found, truth = hungarian_permutation(logits), to_numpy(permutations)
    if found.ndim != 2 or truth.shape != found.shape:
        raise ValueError(
            f'permutations have shape {truth.shape}, logits '
            f'{to_numpy(logits).shape}; give (b, n) and (b, n, n).'
        )
    if (np.sort(truth, axis=1) != np.arange(truth.shape[1])).any():
        raise ValueError('permutations must hold 0..n-1 once in each row.')
    return np.asarray(found == truth)

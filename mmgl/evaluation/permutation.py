"""Accuracy of recovered stripe permutations by Hungarian matching."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from .ranking.feature_arrays import to_numpy


def hungarian_permutation(logits):
    """Permutation with the largest sum of scores.

    Kuhn's Hungarian method, the noise-free limit of the Sinkhorn operator
    (Mena et al., ICLR 2018).

    Args:
        logits (array-like or Tensor): Scores without noise, (n, n) or
            (b, n, n); ``logits[i, j]`` says how well shuffled stripe i fits
            place j.

    Returns:
        np.ndarray: int64 (n,) or (b, n), place of each shuffled stripe.

    Raises:
        ValueError: If the scores are not square or not finite.
    """
    logits = to_numpy(logits)
    if logits.ndim not in (2, 3) or logits.shape[-1] != logits.shape[-2]:
        raise ValueError(
            f'logits have shape {logits.shape}; give (n, n) or (b, n, n).'
        )
    if not np.isfinite(logits).all():
        raise ValueError(
            'logits have NaN or Inf; check that pre-training did not diverge.'
        )
    if logits.ndim == 2:
        return linear_sum_assignment(logits, maximize=True)[1]
    found = [linear_sum_assignment(one, maximize=True)[1] for one in logits]
    return np.array(found, dtype=np.int64).reshape(logits.shape[:2])


def permutation_matches(logits, permutations):
    """Mark the stripes that the matching puts in their true place.

    Args:
        logits (array-like or Tensor): (b, n, n), see
            :func:`hungarian_permutation`.
        permutations (array-like or Tensor): True places from 0, (b, n):
            shuffled stripe i is original stripe ``permutations[:, i]``.

    Returns:
        np.ndarray: bool (b, n).

    Raises:
        ValueError: If shapes differ or a row is not a permutation.
    """
    found = hungarian_permutation(logits)
    truth = to_numpy(permutations)
    if found.ndim != 2 or truth.shape != found.shape:
        raise ValueError(
            f'permutations have shape {truth.shape}, logits '
            f'{np.shape(logits)}; give (b, n) and (b, n, n).'
        )
    if (np.sort(truth, axis=1) != np.arange(truth.shape[1])).any():
        raise ValueError('permutations must hold 0..n-1 once in each row.')
    return found == truth


def permutation_accuracy(logits, permutations):
    """Share of permutations, and of single stripes, that are right.

    Args:
        logits (array-like or Tensor): (b, n, n).
        permutations (array-like or Tensor): (b, n).

    Returns:
        dict[str, float]: ``exact`` and ``stripe``, fractions. Guessing
        gives 1 / n! and 1 / n.

    Raises:
        ValueError: See :func:`permutation_matches`; also for b = 0.
    """
    matches = permutation_matches(logits, permutations)
    if not matches.size:
        raise ValueError('there is no permutation to score.')
    return dict(
        exact=float(matches.all(axis=1).mean()), stripe=float(matches.mean())
    )

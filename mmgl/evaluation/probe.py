"""What frozen features know: neighbours, linear classifiers, dimensions.

Figures that judge a pre-training without fine-tuning. None of them depends
on the order of the images.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from .ranking import Values, check_features, distances_between

Array = npt.NDArray[Any]

# Weights of the votes as in Wu et al., "Unsupervised feature learning via
# non-parametric instance discrimination" (CVPR 2018).
TEMPERATURE = 0.07
NEIGHBOURS = 5
_CHUNK = 512
_MAX_STEPS = 500


def canonical_order(*labels: Array) -> Array:
    """Order of images (n,) by their labels, the first one above all."""
    return np.lexsort(tuple(reversed(labels)))


def standardise(
    features: Values, groups: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Give each group mean 0 and variance 1 (0 where nothing varies)."""
    result = check_features(features).astype(np.float64)
    for group in np.unique(groups):
        rows = np.asarray(groups) == group
        part = result[rows]
        deviation = part.std(axis=0)
        # What rounding leaves of a constant is no variation.
        flat = deviation <= 1e-6 * np.abs(part).max(axis=0)
        centred = np.where(flat, 0, part - part.mean(axis=0))
        result[rows] = centred / np.where(flat, 1, deviation)
    return result


def half_split(index: Array, *groups: Array) -> Array:
    """Put every other image of each group, by number, in training."""
    labels = np.stack(groups, axis=1)
    group = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    order = np.lexsort((index, group))
    starts = np.searchsorted(group[order], group[order])
    train = np.empty(len(order), dtype=bool)
    train[order] = (np.arange(len(order)) - starts) % 2 == 0
    return train


def _votes(
    distances: Array, hidden: Array, neighbours: int, temperature: float
) -> Array:
    """Weight of each labelled image in each vote, (b, n)."""
    distances = np.where(hidden, np.inf, distances)
    shown = (~hidden).sum(axis=1)
    kth = np.sort(distances, axis=1)[
        np.arange(len(shown)), np.minimum(neighbours, shown) - 1
    ]
    nearer = distances < kth[:, None]
    tied = distances == kth[:, None]
    places = np.minimum(neighbours, shown) - nearer.sum(axis=1)
    # Images tied for the last places share them: the mean over all orders.
    share = places / np.maximum(tied.sum(axis=1), 1)
    closeness = np.where(hidden, -np.inf, -distances)
    closeness -= closeness.max(axis=1, keepdims=True)
    weights = np.exp(closeness / temperature)
    return np.asarray((nearer + tied * share[:, None]) * weights)


def _credit(votes: Array, mine: Array) -> Array:
    """Share of a win that the own identity has, (b,)."""
    winners = votes >= votes.max(axis=1, keepdims=True) * (1 - 1e-9)
    return np.asarray(
        winners[np.arange(len(votes)), mine] / winners.sum(axis=1)
    )


def _balanced(right: Array, labels: Array) -> float:
    """Mean over labels of the share that is right; chance is 1 / labels."""
    _, label = np.unique(labels, return_inverse=True)
    return float((np.bincount(label, right) / np.bincount(label)).mean())


def knn_accuracy(
    features: Values,
    pids: npt.ArrayLike,
    queries: Values,
    query_pids: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    query_groups: npt.ArrayLike | None = None,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> tuple[float, float]:
    """Share of images whose identity a vote of their neighbours names.

    The nearest images by cosine similarity s, none of the query's own group,
    vote with the weight exp(s / temperature). Ties share the credit, so that
    collapsed features score at chance.

    Returns the accuracy over the queries that see their identity, each
    identity counting alike, and that of guessing.
    """
    if neighbours < 1 or temperature <= 0:
        raise ValueError(
            f'neighbours={neighbours}, temperature={temperature}; give at '
            'least 1 neighbour and a positive temperature.'
        )
    known, label = np.unique(pids, return_inverse=True)
    asked = np.asarray(query_pids)
    one_hot = np.eye(len(known))[label]
    distances = distances_between(
        check_features(queries, 'query features'), check_features(features)
    )
    credits = np.full(len(asked), np.nan)  # NaN for those who do not ask
    for start in range(0, len(asked), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(asked)))
        hidden = np.zeros((len(rows), len(label)), dtype=bool)
        if groups is not None:
            own_group = np.asarray(query_groups)[rows][:, None]
            hidden = own_group == np.asarray(groups)
        own = known[label] == asked[rows][:, None]
        seen = (own & ~hidden).any(axis=1)
        rows, hidden = rows[seen], hidden[seen]
        if len(rows):
            block = distances.rows(rows).astype(np.float64)
            votes = _votes(block, hidden, neighbours, temperature) @ one_hot
            mine = np.searchsorted(known, asked[rows])
            credits[rows] = _credit(votes, mine)
    scored = ~np.isnan(credits)
    if not scored.any():
        raise ValueError(
            'no query sees a labelled image of its identity; '
            'check pids and groups of both sides.'
        )
    return _balanced(credits[scored], asked[scored]), 1 / len(known)


def linear_accuracy(
    features: Values,
    labels: npt.ArrayLike,
    queries: Values,
    query_labels: npt.ArrayLike,
) -> tuple[float, float]:
    """Accuracy of a linear classifier on frozen features, and of guessing.

    Multinomial logistic regression (L2, C = 1) on standardised features, all
    labels of the same weight; queries of unknown labels are left out.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = check_features(features).astype(np.float64)
    queries = check_features(queries, 'query features').astype(np.float64)
    labels, query_labels = np.asarray(labels), np.asarray(query_labels)
    known = np.unique(labels)
    tested = np.isin(query_labels, known)
    if len(known) < 2 or not tested.any():
        raise ValueError(
            f'a linear classifier needs two labels to learn and one of them '
            f'to test; there are {len(known)} labels and {tested.sum()} '
            'images to test.'
        )
    classifier = LogisticRegression(
        C=1.0, max_iter=_MAX_STEPS, class_weight='balanced'
    )
    probe = make_pipeline(StandardScaler(), classifier)
    with warnings.catch_warnings():
        # A fixed number of steps is part of the recipe.
        warnings.simplefilter('ignore', ConvergenceWarning)
        probe.fit(features, labels)
    wanted = query_labels[tested]
    right = probe.predict(queries[tested]) == wanted
    return _balanced(right, wanted), 1 / len(known)


def effective_rank(features: Values) -> float:
    """How many dimensions features really use (Roy and Vetterli, 2007).

    The exponential of the entropy of the normalised singular values of the
    centred features: from 1 to min(n - 1, d), or 0 if all are equal.
    """
    values = check_features(features).astype(np.float64)
    centred = values - values.mean(axis=0)
    wide = centred.shape[1] > centred.shape[0]
    gram = centred @ centred.T if wide else centred.T @ centred
    # Rounding leaves eigenvalues of 0 slightly off.
    floor = np.finfo(np.float64).eps * max(values.shape)
    floor *= np.square(values).sum()
    squares = np.linalg.eigvalsh(gram)
    singular = np.sqrt(squares[squares > floor])
    if not len(singular):
        return 0.0
    shares = singular / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))

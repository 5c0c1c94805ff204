"""When two features are of one person: thresholds with known errors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmgl.utils.errors import ConfigError, missing_packages


@dataclass(frozen=True)
class Calibration:
    """A threshold on the similarity and what it is worth.

    ``false_match_rate`` is the share of the ``different`` pairs that reach
    the threshold, ``false_non_match_rate`` that of the ``same`` pairs that
    miss it. ``slope`` and ``offset`` make a probability of a similarity, if
    as many pairs are of one person as not.
    """

    threshold: float
    false_match_rate: float
    false_non_match_rate: float
    same: int
    different: int
    slope: float
    offset: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int | float) or not np.isfinite(value):
                raise ConfigError(
                    f'calibration: {name} must be a finite number, got '
                    f'{value!r:.80}'
                )

    def probability(self, similarity: Any) -> Any:
        """Estimate how likely two images show one person."""
        values = np.asarray(similarity, dtype=np.float64)
        result = 1 / (1 + np.exp(-(self.slope * values + self.offset)))
        return float(result) if result.ndim == 0 else result

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, for JSON."""
        return asdict(self)


def calibrate(
    similarities: npt.ArrayLike,
    same: Sequence[bool],
    false_match_rate: float = 1e-3,
) -> Calibration:
    """Find the lowest threshold that different persons reach rarely enough.

    With n different pairs no rate below 1 / n can be told: the threshold is
    then above all of them.

    Raises:
        ConfigError: If there are no pairs of one kind, or numbers that are
            not finite.
    """
    with missing_packages('calibration'):
        from sklearn.linear_model import LogisticRegression
    scores = np.asarray(similarities, dtype=np.float64)
    labels = np.asarray(same, dtype=bool)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ConfigError(
            f'calibration needs one answer a pair, got {scores.shape} '
            f'similarities and {labels.shape} answers'
        )
    if not np.isfinite(scores).all():
        raise ConfigError('calibration: similarities must be finite')
    if not 0 <= false_match_rate < 1:
        raise ConfigError(
            'calibration: false_match_rate must be at least 0 and below 1, '
            f'got {false_match_rate}'
        )
    others, own = np.sort(scores[~labels])[::-1], scores[labels]
    if not len(own) or not len(others):
        raise ConfigError(
            f'calibration needs pairs of one person and of two, got '
            f'{len(own)} and {len(others)}'
        )
    # So many different pairs may pass; the next one may not.
    allowed = int(false_match_rate * len(others))
    threshold = float(np.nextafter(others[allowed], np.inf))
    model = LogisticRegression(C=1e6, class_weight='balanced')
    model.fit(scores[:, None], labels)
    return Calibration(
        threshold,
        float((others >= threshold).mean()),
        float((own < threshold).mean()),
        len(own),
        len(others),
        float(model.coef_[0, 0]),
        float(model.intercept_[0]),
    )

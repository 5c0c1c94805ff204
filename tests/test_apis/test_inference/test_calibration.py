"""Thresholds: against counting, and a bundle that remembers."""

import shutil

import numpy as np
import pytest

from mmgl import Embedder
from mmgl.apis.inference.calibration import calibrate
from mmgl.utils.errors import ConfigError


@pytest.mark.parametrize('rate', [0, 1e-3, 0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize('seed', range(4))
def test_threshold_is_the_lowest_that_keeps_the_rate(rate, seed):
    rng = np.random.default_rng(seed)
    same = rng.random(400) < 0.3
    # Rounded, so that there are ties.
    scores = np.round(rng.normal(same * 0.8, 0.5), 2)
    found = calibrate(scores, same, rate)
    others, own = scores[~same], scores[same]
    assert (others >= found.threshold).mean() <= rate
    assert found.false_match_rate == (others >= found.threshold).mean()
    assert found.false_non_match_rate == (own < found.threshold).mean()
    # Any lower value that a score could have breaks the rate.
    lower = max(s for s in np.unique(scores) if s < found.threshold)
    assert (others >= lower).mean() > rate or not (others == lower).any()
    assert (found.same, found.different) == (same.sum(), (~same).sum())


def test_probability_grows_with_the_score():
    rng = np.random.default_rng(0)
    same = np.arange(2000) % 5 == 0
    scores = rng.normal(same * 2.0, 1.0)
    found = calibrate(scores, same)
    grid = found.probability(np.linspace(-3, 5, 50))
    assert (np.diff(grid) > 0).all() and 0 < grid[0] < grid[-1] < 1
    # Two normal laws with means 0 and 2 and deviation 1 meet at 1.
    assert found.probability(1.0) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    'scores, same, rate, what',
    [
        ([0.1, 0.2], [True, True], 0.1, 'one person and of two'),
        ([0.1, 0.2], [False, False], 0.1, 'one person and of two'),
        ([0.1], [True, False], 0.1, 'one answer a pair'),
        ([0.1, np.nan], [True, False], 0.1, 'finite'),
        ([0.1, 0.2], [True, False], 1.0, 'false_match_rate'),
        ([0.1, 0.2], [True, False], -0.1, 'false_match_rate'),
        ([0.1, 0.2], [True, False], np.nan, 'false_match_rate'),
    ],
)
def test_mistakes(scores, same, rate, what):
    with pytest.raises(ConfigError, match=what):
        calibrate(scores, same, rate)


def test_a_bundle_keeps_its_calibration(bundle, photographs, tmp_path):
    folder = shutil.copytree(bundle, tmp_path / 'copy')
    paths = sorted(photographs.rglob('*.png'))
    embedder = Embedder(folder)
    assert embedder.calibration is None
    found = embedder.calibrate(
        [paths[0], paths[1], paths[2]],
        [paths[0], paths[3], paths[2]],
        ('visible', 'visible'),
        [True, False, True],
    )
    assert Embedder(folder).calibration == found
    assert found.different == 1 and found.false_match_rate == 0

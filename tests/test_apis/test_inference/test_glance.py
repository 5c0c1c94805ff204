"""Images whose colours are not those of their modality."""

import warnings

import numpy as np
import pytest

from mmgl.apis.inference.glance import Glance
from mmgl.apis.inference.sources import Source


def warned(image, modality):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        Glance().check(Source('x', image, modality), image)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize('seed', range(40))
def test_against_a_mean_over_channels(seed):
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, (24, 12, 1))
    # Mean differences of 0 to 13 grey levels.
    tint = rng.integers(0, seed + 1, (24, 12, 3))
    image = (grey + tint).clip(0, 255).astype(np.uint8)
    wide = image.astype(int)
    difference = np.abs(wide - wide[..., [1, 2, 0]])
    assert bool(warned(image, 0)) == (not difference.any())
    assert bool(warned(image, 1)) == (difference.mean() > 8)


def test_both_occur_and_are_said():
    grey = np.full((8, 4, 3), 90, np.uint8)
    assert 'given as visible but has no colour' in warned(grey, 0)[0]
    coloured = grey + np.uint8([0, 0, 60])
    assert 'given as infrared but has colours' in warned(coloured, 1)[0]
    assert not warned(grey, 1) and not warned(coloured, 0)

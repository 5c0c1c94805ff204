"""Explanations take what the embedder takes, and say what is wrong."""

import numpy as np
import pytest

from mmgl.apis.inference import explain
from mmgl.apis.inference.sources import ImageError
from mmgl.utils.errors import ConfigError


@pytest.mark.filterwarnings('ignore:.*has colours')
def test_any_kind_of_image(embedder, photographs):
    a, b = sorted(photographs.rglob('*.png'))[:2]
    want = explain(embedder, a, b, ('visible', 'infrared'))
    got = explain(embedder, str(a), b.read_bytes(), (0, 1))
    np.testing.assert_array_equal(got.first, want.first)
    np.testing.assert_array_equal(got.second, want.second)
    assert np.isfinite(want.first).all() and want.first.shape == (6, 3)
    # The feature that is compared, though not bit for bit.
    rows = embedder.embed([a, b], (0, 1))
    assert want.similarity == pytest.approx(rows[0] @ rows[1], abs=1e-5)
    swapped = explain(embedder, b, a, (1, 0))
    np.testing.assert_allclose(swapped.first, want.second, atol=1e-6)


def test_mistakes(embedder, photographs):
    a = min(photographs.rglob('*.png'))
    with pytest.raises(ConfigError, match='takes two images, got 8'):
        explain(embedder, a, photographs, (0, 0))
    with pytest.raises(ConfigError, match="'visible' or 'infrared'"):
        explain(embedder, a, a, ('visible', 'thermal'))
    with pytest.raises(ImageError, match='decoded'):
        explain(embedder, a, b'nothing', (0, 0))

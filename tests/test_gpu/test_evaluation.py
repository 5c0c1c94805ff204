"""Scores of features on a GPU are those of the host."""

import numpy as np
import pytest
import torch

from mmgl.evaluation.ranking import distances_between, score_galleries


@pytest.mark.parametrize('noise', [1.0, 30.0])
def test_scores(device, noise):
    rng = np.random.default_rng(0)
    pids = rng.permutation(np.repeat(np.arange(40), 8))
    centres = rng.standard_normal((40, 64))
    features = (
        centres[pids] + noise * rng.standard_normal((len(pids), 64))
    ).astype(np.float32)
    query, gallery = features[:60], features[60:]
    found = [
        score_galleries(
            distances_between(*parts), pids[:60], pids[60:], cmc='standard'
        )[0]
        for parts in (
            (query, gallery),
            (
                torch.from_numpy(query).to(device),
                torch.from_numpy(gallery).to(device),
            ),
        )
    ]
    host, there = found
    assert 0 < host.mAP <= 1
    assert there.mAP == pytest.approx(host.mAP, abs=1e-4)
    assert there.mINP == pytest.approx(host.mINP, abs=1e-4)
    np.testing.assert_allclose(there.cmc, host.cmc, atol=1 / 60 + 1e-9)

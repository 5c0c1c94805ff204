"""ResNet-50, 288 x 144, 48 + 48 images: two minutes and 10 GiB."""

import json
import math
import os
from pathlib import Path

import pytest
from running import succeed


@pytest.mark.slow
def test_two_steps_at_full_size(tmp_path):
    # Without it nothing would tell a small machine from a broken program.
    size = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    if size < 12 * 2**30:
        pytest.skip('needs a machine with 12 GiB of memory')
    out = tmp_path / 'figures.json'
    script = Path(__file__).parents[2] / 'benchmarks/full_size_step.py'
    succeed(str(script), '--out', out, cwd=tmp_path)
    figures = json.loads(out.read_text())
    assert figures['batch_size'] == 96
    assert figures['image_size'] == [288, 144]
    # Torchvision's ResNet-50 without its classifier has 23.5 million.
    assert figures['parameters'] > 23.5e6
    assert len(figures['losses']) == 2
    assert all(math.isfinite(loss) for loss in figures['losses'])

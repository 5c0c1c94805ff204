import json
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'tools/benchmarks'


@pytest.mark.slow
def test_data_loading(tmp_path, monkeypatch, capsys):
    """Loads the images some twenty times: ten seconds with the imports."""
    monkeypatch.syspath_prepend(str(FOLDER))
    tool = runpy.run_path(str(FOLDER / 'data_loading.py'))
    out = tmp_path / 'data.json'
    result = tool['main'](['--images', '10', '--augmix-images', '4',
                           '--repeats', '1', '--out', str(out)])
    assert json.loads(out.read_text())['title'] == result['title']
    figures = {f['name']: f for f in result['figures']}
    for kind in ('fine-tuning', 'pre-training'):
        for source, target in (('JPEG files', (2.2, 3)), ('packed', (5, 5))):
            one = figures[f'{kind}, {source}, against PIL + torchvision']
            assert one['target'] == target[kind == 'pre-training']
            # Ten images once are no measurement, but no slower than PIL.
            assert one['value'] > 1 and one['at_least']
    assert figures['AugMix by mmgl, uint8 arrays']['value'] > 0
    assert 'verdict' in capsys.readouterr().out

"""What README and docs/use.md say about using a model runs as it stands."""

import re
import shlex
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mmgl.cli import COMMANDS

ROOT = Path(__file__).parents[1]


def blocks(text, language):
    return re.findall(rf'^```{language}\n(.*?)^```$', text, re.S | re.M)


def section(name):
    readme = (ROOT / 'README.md').read_text()
    return readme.split(f'## {name}\n')[1].split('\n## ')[0]


TEXTS = {
    'README': section('Use a model'),
    'use.md': (ROOT / 'docs' / 'use.md').read_text(),
}


def commands(text):
    """Split what a text tells to type into words."""
    for block in blocks(text, 'bash'):
        for line in block.replace('\\\n', ' ').splitlines():
            yield shlex.split(line, comments=True)


def ours(text):
    """Keep the commands of this package."""
    return [words for words in commands(text) if words[0] == 'mmgl']


def run(words):
    """Run a command as ``mmgl`` does."""
    module, _, function = COMMANDS[words[1]][0].partition(':')
    getattr(import_module(module), function)(words[2:])


@pytest.mark.parametrize('name', TEXTS)
@pytest.mark.filterwarnings('ignore:.*has colours')
def test_everything_printed_runs(quickstart_left, monkeypatch, name):
    served = []
    uvicorn = pytest.importorskip('uvicorn')
    for package in ('fastapi', 'onnx', 'onnxruntime', 'prometheus_client'):
        pytest.importorskip(package)
    monkeypatch.setattr(uvicorn, 'run', lambda app, **_: served.append(app))
    publish, *todo = ours(TEXTS[name])
    kinds = {words[1] for words in todo}
    assert publish[1] == 'publish' and {'gallery', 'search', 'serve'} <= kinds
    run(publish)
    scope = {}
    for language, block in re.findall(
        r'^```(bash|python)\n(.*?)^```$', TEXTS[name], re.S | re.M
    ):
        if language == 'python':
            exec(block, scope)
            continue
        for words in ours(f'```bash\n{block}```'):
            if words != publish:
                run(words)
    assert len(served) == 1
    if name == 'use.md':
        assert scope['rows'].shape == (3, 256)
        assert scope['found'][0][0].name in 'ab'
        assert scope['embedder'].calibration.different == 1
        assert scope['small'].network.source.suffix == '.onnx'
        check_appearance(scope['Appearance'], scope['small'])


def check_appearance(kind, embedder):
    """Ask as BoxMOT and trackers do: boxes of detectors in a BGR frame."""
    frame = cv2.imread('day/b.png')
    boxes = np.array([[0, 0, 40, 90], [5.5, 3, 30, 80]], np.float32)
    model = kind(embedder, 'visible')
    got = model.get_features(boxes, frame)
    crops = [frame[0:90, 0:40, ::-1], frame[3:80, 5:30, ::-1]]
    want = embedder.embed(crops, 'visible')
    np.testing.assert_allclose(got, want, atol=1e-6)
    same = model.extract_features(SimpleNamespace(xyxy=boxes), frame)
    assert np.array_equal(same, got)
    assert model.get_features(boxes[:0], frame).shape == (0, 256)

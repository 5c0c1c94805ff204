"""What README and docs/use.md say about using a model runs as it stands."""

import re
import shlex
from importlib import import_module
from pathlib import Path

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
    for block in blocks(text, 'bash'):
        for line in block.replace('\\\n', ' ').splitlines():
            yield shlex.split(line, comments=True)


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
    todo = [words for words in commands(TEXTS[name]) if words[0] == 'mmgl']
    kinds = {words[1] for words in todo}
    assert {'publish', 'gallery', 'search', 'serve'} <= kinds
    run(todo.pop(0))
    scope = {}
    for block in blocks(TEXTS[name], 'python'):
        exec(block, scope)
    if name == 'use.md':
        assert scope['rows'].shape == (3, 256)
        assert scope['found'][0][0].name in 'ab'
        assert scope['embedder'].calibration.different == 1
        Path('people.db').unlink()
    for words in todo:
        run(words)
    assert len(served) == 1

"""Versions, workflows and texts of the project agree."""

import re
from pathlib import Path

import pytest
import test_use_page
import yaml

import mmgl

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / '.github/workflows').glob('*.yml'))
TEXTS = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
# A block of shell below this comment is run.
TESTED = re.compile(r'^<!-- tested -->\n+```bash\n(.*?)^```$', re.S | re.M)
MARKED = {
    text.relative_to(ROOT).as_posix(): ''.join(
        TESTED.findall(text.read_text())
    )
    for text in TEXTS
    if '<!-- tested -->' in text.read_text()
}


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == mmgl.__version__
    changes = (ROOT / 'CHANGELOG.md').read_text()
    released = re.findall(r'^## ([\d.]+) - \d{4}-\d\d-\d\d$', changes, re.M)
    assert released[0] == mmgl.__version__
    assert changes.index('## Unreleased') < changes.index(f'## {released[0]}')


def test_pythons_are_those_that_the_workflows_try():
    tests = yaml.safe_load((ROOT / '.github/workflows/tests.yml').read_text())
    tried = tests['jobs']['whole-suite']['strategy']['matrix']['python']
    setup = (ROOT / 'setup.py').read_text()
    assert re.findall(r'Python :: (3\.\d+)', setup) == tried
    least, above = re.search(
        r"python_requires='>=3\.(\d+),<3\.(\d+)'", setup
    ).groups()
    assert [f'3.{n}' for n in range(int(least), int(above))] == tried
    shell = (ROOT / 'tools/venv.sh').read_text()
    assert f'(3, {least}) <= sys.version_info < (3, {above})' in shell
    for text in ('README.md', 'docs/get_started.md'):
        assert f'Python {tried[0]} to {tried[-1]}' in (ROOT / text).read_text()


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda p: p.name)
def test_workflows_run_what_exists(path):
    jobs = yaml.safe_load(path.read_text())['jobs']
    runs = [
        step['run']
        for job in jobs.values()
        for step in job['steps']
        if 'run' in step
    ]
    named = re.findall(r'(?:tools|requirements)/[\w.]+', '\n'.join(runs))
    assert named and all((ROOT / name).is_file() for name in named)


def test_every_marked_block_is_found():
    for name, commands in MARKED.items():
        marks = (ROOT / name).read_text().count('<!-- tested -->')
        assert marks == len(TESTED.findall((ROOT / name).read_text()))
        assert commands
    assert 'docs/get_started.md' in MARKED


@pytest.mark.slow
@pytest.mark.parametrize('name', MARKED)
def test_marked_blocks_run(name, tmp_path, monkeypatch):
    # Draws people and trains: seven seconds of one core.
    monkeypatch.chdir(tmp_path)
    block = f'```bash\n{MARKED[name]}```'
    todo = list(test_use_page.commands(block))
    assert all(words[0] == 'mmgl' for words in todo if words)
    for words in filter(None, todo):
        test_use_page.run(words)
    for words in filter(None, todo):
        if '--out' in words:
            made = Path(words[words.index('--out') + 1])
            assert made.stat().st_size > 0

"""The quickstart itself, at its smallest scale: more than a minute."""

import json
import subprocess
import sys

import pytest

from mmgl.utils.paths import tool_dir


def quickstart(folder):
    return subprocess.run(
        [
            sys.executable,
            str(tool_dir() / 'quickstart.py'),
            '--smoke',
            '--work-dir',
            str(folder / 'result'),
            '--data-root',
            str(folder / 'data'),
        ],
        text=True,
        capture_output=True,
        timeout=1800,
    )


@pytest.fixture(scope='module')
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp('smoke')
    return folder, quickstart(folder)


def test_smoke_ends_with_the_table(smoke):
    folder, run = smoke
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    for word in ('random', 'MMGL', 'R1', 'mAP', 'mINP'):
        assert word.lower() in run.stdout.lower()
    result = folder / 'result'
    assert json.loads((result / 'metrics.json').read_text())
    assert (result / 'report.md').is_file()
    assert len(list(result.rglob('*.png'))) >= 4


def test_second_run_has_nothing_left_to_do(smoke):
    folder, first = smoke
    metrics = (folder / 'result/metrics.json').read_text()
    second = quickstart(folder)
    assert second.returncode == 0
    trained = list((folder / 'result').glob('seed_0/*/2*'))
    assert trained
    assert (
        json.loads(metrics)['seeds']
        == json.loads((folder / 'result/metrics.json').read_text())['seeds']
    )
    table = [line for line in first.stdout.splitlines() if '|' in line][-8:]
    assert all(line in second.stdout for line in table)

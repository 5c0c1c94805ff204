"""What an installed wheel can do where there is no checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = """
_base_ = 'mmgl::mmgl/finetune/agw_r18-narrow_synthetic.py'
train_cfg = dict(max_epochs=1)
"""
HUB = """
import mmengine.hub, mmgl
name = 'mmgl::mmgl/pretrain/mmgl_agw_r18-narrow_synthetic.py'
print(mmengine.hub.get_config(name).filename)
"""


def run(*words, cwd, **variables):
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=dict(os.environ, OMP_NUM_THREADS='1', **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """A folder with the wheel's files; half a minute, pip runs twice."""
    folder = tmp_path_factory.mktemp('wheel')
    # A build leaves files in its source.
    ignored = ('.git', '.venv', '.mim', 'build', 'data', 'work_dirs', '*.pth')
    shutil.copytree(
        ROOT, folder / 'source', ignore=shutil.ignore_patterns(*ignored)
    )
    pip = (sys.executable, '-m', 'pip')
    for words in (
        ('wheel', '--no-build-isolation', '-w', '.', './source'),
        ('install', '--target', 'site', '--find-links', '.', 'mmgl'),
    ):
        done = run(*pip, *words, '--no-deps', '--no-index', cwd=folder)
        assert done.returncode == 0, done.stdout
    return folder / 'site'


@pytest.mark.slow
def test_wheel_needs_no_checkout(site, tiny_sysu, tmp_path):
    """About a minute: a wheel, and five programs import torch."""
    command, variables = site / 'bin/mmgl', dict(PYTHONPATH=str(site))
    listed = run(sys.executable, command, '--help', cwd=tmp_path, **variables)
    assert listed.returncode == 0 and 'reproduce' in listed.stdout
    hub = run(sys.executable, '-c', HUB, cwd=tmp_path, **variables)
    assert str(site / 'mmgl/.mim/configs') in hub.stdout, hub.stdout
    (tmp_path / 'mine.py').write_text(CONFIG)
    options = {
        '*.data_root': tiny_sysu,
        '*.num_workers': 0,
        '*.num_iters': 2,
        '*.num_classes': 12,
        '*.base_channels': 4,
    }
    trained = run(
        *(sys.executable, command, 'train', 'mine.py', '--init', 'random'),
        '--cfg-options',
        *(f'{key}={value}' for key, value in options.items()),
        cwd=tmp_path,
        **variables,
    )
    assert trained.returncode == 0, trained.stdout
    assert (tmp_path / 'work_dirs/mine_random/epoch_1.pth').is_file()

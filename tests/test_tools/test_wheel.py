"""What an installed wheel can do where there is no checkout."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

import pytest
from test_use_page import TEXTS, blocks, ours

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
PIP = (sys.executable, '-m', 'pip')
# MB that mmgl-lite may take, all packages together.
LITE = 400


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


def wheel(folder, **variables):
    """Build a wheel from a copy: a build leaves files in its source."""
    ignored = ('.git', '.venv', '.mim', 'build', 'data', 'work_dirs', '*.pth')
    shutil.copytree(
        ROOT, folder / 'source', ignore=shutil.ignore_patterns(*ignored)
    )
    options = '--no-build-isolation', '--no-deps', '--no-index', '-w', '.'
    done = run(*PIP, 'wheel', *options, './source', cwd=folder, **variables)
    assert done.returncode == 0, done.stdout
    (built,) = folder.glob('*.whl')
    return built


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """A folder with the wheel's files; half a minute, pip runs twice."""
    folder = tmp_path_factory.mktemp('wheel')
    words = 'install', '--no-deps', '--no-index', '--target', 'site'
    done = run(*PIP, *words, wheel(folder), cwd=folder)
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


def wait_for_service(process):
    """Wait until the service answers."""
    for _ in range(240):
        assert process.poll() is None, process.stdout.read()
        try:
            with urllib.request.urlopen('http://127.0.0.1:8000/ready'):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError('the service does not answer')


@pytest.mark.slow
def test_readme_runs_from_a_wheel(site, quickstart_left):
    """About a minute: five programs import torch."""
    for package in ('fastapi', 'prometheus_client', 'safetensors', 'uvicorn'):
        pytest.importorskip(package)
    variables = dict(PYTHONPATH=str(site))
    todo = ours(TEXTS['README'])
    assert len(todo) == 4
    said = []
    for words in todo[:-1]:
        program = sys.executable, site / 'bin/mmgl', *words[1:]
        done = run(*program, cwd=quickstart_left, **variables)
        assert done.returncode == 0, done.stdout
        said.append(done.stdout)
    assert 'added 2 images' in said[1] and 'day/a.png' in said[2]
    (block,) = blocks(TEXTS['README'], 'python')
    done = run(sys.executable, '-c', block, cwd=quickstart_left, **variables)
    assert done.returncode == 0, done.stdout
    served = subprocess.Popen(
        [sys.executable, str(site / 'bin/mmgl'), *todo[-1][1:]],
        cwd=quickstart_left,
        env=dict(os.environ, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for_service(served)
    finally:
        served.send_signal(signal.SIGTERM)
        # uvicorn ends by the signal once it is done.
        assert served.wait(60) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_lite_in_an_environment_of_its_own(exported, photographs, tmp_path):
    """About two minutes, most of them to fetch what mmgl-lite brings."""
    built = wheel(tmp_path, MMGL_LITE='1')
    assert built.name.startswith('mmgl_lite-')
    venv.create(tmp_path / 'lite', with_pip=True)
    python = tmp_path / 'lite/bin/python'
    done = run(python, '-m', 'pip', 'install', '-q', built, cwd=tmp_path)
    if 'No matching distribution' in done.stdout:
        pytest.skip('the package index cannot be reached')
    assert done.returncode == 0, done.stdout
    images = sorted(map(str, photographs.rglob('*.png')))[:2]
    for words in (
        ('gallery', 'add', 'people.db', *images, '--modality=visible'),
        ('search', 'people.db', images[0], '--modality=visible'),
        ('compare', *images, '--modality', 'visible', 'visible'),
    ):
        program = (tmp_path / 'lite/bin/mmgl', *words, '--weights', exported)
        done = run(*program, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
    refused = run(tmp_path / 'lite/bin/mmgl', 'train', 'x', cwd=tmp_path)
    assert refused.returncode == 2 and 'pip install mmgl' in refused.stdout
    (packages,) = (tmp_path / 'lite/lib').glob('*/site-packages')
    size = sum(
        file.lstat().st_size
        for folder in packages.iterdir()
        if folder.name.partition('-')[0] not in ('pip', 'setuptools')
        for file in [folder, *folder.rglob('*')]
    )
    assert not (packages / 'torch').exists()
    print(f'mmgl-lite takes {size / 1e6:.0f} MB')
    assert size < LITE * 1e6

"""A worker that dies in the middle of training is started again.

Slow: two launchers and six workers import torch and the package.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from running import (
    FINETUNE,
    cfg_options,
    config,
    differences,
    environment,
    finetune_options,
    load,
    succeed,
)
from test_launchers import free_port

from mmgl.utils.paths import tool_dir

pytestmark = pytest.mark.slow
EPOCHS, ITERS = 2, 6


def arguments(root, work_dir):
    return [
        config(FINETUNE),
        2,
        '--work-dir',
        work_dir,
        '--seed',
        3,
        *cfg_options(finetune_options(root, EPOCHS, iters=ITERS)),
    ]


def worker_of_rank(launcher, rank):
    """Process number of a worker that torchrun has started."""
    for entry in Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int(
                (entry / 'stat').read_text().rsplit(')', 1)[1].split()[1]
            )
            variables = (entry / 'environ').read_bytes().split(b'\0')
        except OSError:  # gone by now
            continue
        if parent == launcher and f'RANK={rank}'.encode() in variables:
            return int(entry.name)
    raise AssertionError(f'no worker of rank {rank}')


def train_and_kill(line, rank, *given, cwd, **variables):
    """Start by the script and SIGKILL one worker at the line, once."""
    process = subprocess.Popen(
        ['bash', str(tool_dir() / 'dist_train.sh'), *map(str, given)],
        cwd=cwd,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    seen, killed = [], False
    try:
        for text in process.stdout:
            seen.append(text)
            if not killed and re.search(line, text):
                os.kill(worker_of_rank(process.pid, rank), signal.SIGKILL)
                killed = True
        process.wait(60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
    log = ''.join(seen)
    assert killed and process.returncode == 0, log[-5000:]
    return log


def test_killed_worker_is_started_again(tiny_sysu, tmp_path):
    """With the weights of a run that nothing happened to, to the bit."""
    through, restarted = tmp_path / 'through', tmp_path / 'restarted'
    through.mkdir()
    succeed(
        'dist_train.sh',
        *arguments(tiny_sysu, through),
        cwd=through,
        PORT=free_port(),
    )
    restarted.mkdir()
    log = train_and_kill(
        rf'Epoch\(train\)\s+\[2\]\[\s*3/{ITERS}\]',
        1,
        *arguments(tiny_sysu, restarted),
        cwd=restarted,
        PORT=free_port(),
        MAX_RESTARTS='1',
    )
    assert 'resumed epoch: 1, iter: 6' in log
    one, other = (
        load(folder / f'epoch_{EPOCHS}.pth') for folder in (through, restarted)
    )
    for part in ('state_dict', 'optimizer'):
        assert differences(one[part], other[part]) == []
    assert one['meta']['iter'] == other['meta']['iter'] == EPOCHS * ITERS

"""Two programs in one work dir, a full disk, little memory, SIGTERM.

Each starts programs of some seconds on the toy data set.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from running import TIMEOUT, environment

from mmgl.apis.training import run_training
from mmgl.utils.locks import locked_folder
from mmgl.utils.paths import tool_dir

HERE = Path(__file__).parent.parent


def command(tool, *arguments):
    return [sys.executable, str(tool_dir() / tool), *map(str, arguments)]


def toy_environment(**variables):
    path = os.pathsep.join([str(tool_dir().parent), str(HERE)])
    return environment(**variables) | dict(PYTHONPATH=path)


def start(tool, *arguments, **variables):
    return subprocess.Popen(
        command(tool, *arguments),
        env=toy_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(process):
    log, _ = process.communicate(timeout=TIMEOUT)
    return process.returncode, log


def wait_for(path, process):
    deadline = time.monotonic() + TIMEOUT
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def sentence(log):
    (line,) = (line for line in log.splitlines() if line.startswith('error'))
    assert 'Traceback' not in log
    return line


def check_pair(config, run):
    pair = [
        start('train.py', config, '--work-dir', run, TOY_DELAY='0.5')
        for _ in range(2)
    ]
    (_, _), (_, log) = ends = sorted(map(end, pair))
    assert [code for code, _ in ends] == [0, 2], log
    assert re.search('is in use by process [0-9]+ of .*, since', sentence(log))
    assert (run / 'epoch_3.pth').is_file()


def test_of_two_trainings_one_is_refused(toy_config, tmp_path):
    check_pair(toy_config(), tmp_path / 'run')


@pytest.mark.slow  # 24 trainings
def test_of_twelve_pairs_always_one_is_refused(toy_config, tmp_path):
    config = toy_config()
    for number in range(12):
        check_pair(config, tmp_path / f'run_{number}')


@pytest.mark.slow  # four processes that load torch
def test_of_two_launched_trainings_one_is_refused(toy_config, tmp_path):
    run = tmp_path / 'run'
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    given = command('train.py', toy_config(), '--work-dir', run)[1:]
    pair = [
        subprocess.Popen(
            [*launcher, *given, '--launcher', 'pytorch'],
            env=toy_environment(TOY_DELAY='1'),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for _ in range(2)
    ]
    (first, _), (second, log) = sorted(map(end, pair))
    assert first == 0 and second != 0, log
    assert len(re.findall('error: .* is in use by process', log)) == 1
    assert (run / 'epoch_3.pth').is_file()


def test_checkpoints_of_an_earlier_training_are_named(toy_config, tmp_path):
    given = [toy_config(), '--work-dir', str(tmp_path / 'run')]
    run_training(given)
    with pytest.warns(UserWarning, match='epoch_3.pth is of an earlier'):
        run_training(given)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', '.*is of an earlier')
        run_training([*given, '--resume', 'auto'])


def test_evaluation_keeps_out_of_a_running_training(
    toy_config, tmp_path, monkeypatch, capsys
):
    from mmgl.apis.evaluation import run_evaluation

    config, run = toy_config(), str(tmp_path / 'run')
    run_training([config, '--work-dir', run])
    before = sorted(Path(run).iterdir())
    other = start('train.py', config, '--work-dir', run, TOY_DELAY='30')
    try:
        deadline = time.monotonic() + TIMEOUT
        while str(other.pid) not in Path(run, '.lock').read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with pytest.raises(SystemExit) as stopped:
            run_evaluation([config, f'{run}/epoch_3.pth', '--work-dir', run])
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        end(other)
    assert stopped.value.code == 2
    assert f'by process {other.pid} of' in capsys.readouterr().err
    assert set(before) <= set(Path(run).iterdir())
    # A kill gives the folder back at once.
    with locked_folder(run, patience=0):
        pass


@pytest.mark.parametrize('group', [False, True])
def test_termination_is_one_word_and_keeps_the_checkpoint(
    group, toy_config, tmp_path
):
    workers = 'train_dataloader.num_workers=2'
    given = [toy_config(), '--work-dir', tmp_path / 'run', '--cfg-options']
    training = start('train.py', *given, workers, TOY_DELAY='0.3')
    wait_for(tmp_path / 'run/epoch_1.pth', training)
    if group:  # its workers, too
        os.killpg(training.pid, signal.SIGTERM)
    else:
        training.terminate()
    code, log = end(training)
    assert code == 143, log
    assert log.count('terminated; the same command with --resume auto') == 1
    assert 'Traceback' not in log and 'Error' not in log
    assert (tmp_path / 'run/epoch_1.pth').is_file()
    assert not list((tmp_path / 'run').glob('.*.part'))


def test_full_disk_is_one_sentence(toy_config, tmp_path, capsys, monkeypatch):
    import resource

    run = tmp_path / 'run'
    given = [toy_config(), '--work-dir', str(run), '--cfg-options']
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Enough for the log, too little for a checkpoint.
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**17, before[1]))
    try:
        with pytest.raises(SystemExit) as stopped:
            rate = 'optim_wrapper.optimizer.lr=1e-9'
            run_training([*given, 'model.width=20000', rate])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert stopped.value.code == 2
    assert 'make room' in sentence(capsys.readouterr().err)
    assert not list(run.rglob('*.pth')) and not list(run.rglob('*.part'))


def may_mount():
    tool = shutil.which('unshare')
    probe = [tool, '-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', '/dev/shm']
    return tool and not subprocess.run(probe, capture_output=True).returncode


@pytest.mark.skipif(not may_mount(), reason='needs user namespaces')
@pytest.mark.parametrize('size', ['64k', '4k'])
def test_little_shared_memory_is_no_hang(size, toy_config, tmp_path):
    """As in a container; 4k are too little even to start the workers."""
    script = (
        f'mount -t tmpfs -o size={size} tmpfs /dev/shm && '
        'exec "$0" "$@" train_dataloader.num_workers=2 '
        'train_dataloader.dataset.length=10000'
    )
    config = toy_config()
    given = command('train.py', config, '--work-dir', tmp_path / 'run')
    done = subprocess.run(
        ['unshare', '-Urm', 'bash', '-c', script, *given, '--cfg-options'],
        env=toy_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 2, done.stderr
    (line,) = re.findall('^error: .*', done.stderr, re.MULTILINE)
    assert '--shm-size' in line and 'num_workers=0' in line

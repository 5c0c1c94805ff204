"""One process at a time, and nobody after it has ended."""

import multiprocessing as mp
import os
import signal
import time

import pytest

from mmgl.utils.errors import ConfigError
from mmgl.utils.locks import BusyError, locked_folder

FORK = mp.get_context('fork')


def hold(folder, pipe, child=False):
    """Lock a folder and wait; a child, like a loader's worker, waits too."""
    with locked_folder(folder):
        if child:
            sleeper = FORK.Process(target=time.sleep, args=(60,))
            sleeper.start()
            pipe.send(sleeper.pid)
        pipe.send('locked')
        pipe.recv()


def start(folder, child=False):
    here, there = FORK.Pipe()
    process = FORK.Process(target=hold, args=(folder, there, child))
    process.start()
    return process, here


def test_second_one_hears_who_the_first_is(tmp_path):
    process, pipe = start(tmp_path / 'new')
    assert pipe.recv() == 'locked'
    words = f'new is in use by process {process.pid} of .*, since .*work-dir'
    with pytest.raises(BusyError, match=words) as caught:
        with locked_folder(tmp_path / 'new', patience=0):
            pass
    assert isinstance(caught.value, ConfigError)
    pipe.send('end')
    process.join(60)
    with locked_folder(tmp_path / 'new', patience=0):
        pass


def test_lock_ends_with_a_kill_though_workers_live_on(tmp_path):
    process, pipe = start(tmp_path, child=True)
    sleeper = pipe.recv()
    assert pipe.recv() == 'locked'
    os.kill(process.pid, signal.SIGKILL)
    process.join()  # with a time-out it would wait for the worker, too
    os.kill(sleeper, 0)  # still there
    with locked_folder(tmp_path, patience=0):
        os.kill(sleeper, signal.SIGKILL)


def race(folder, gate, results):
    gate.wait(60)
    try:
        with locked_folder(folder, patience=0):
            results.put('ran')
            gate.wait(60)
    except BusyError as error:
        results.put(str(error))
        gate.wait(60)


def test_of_pairs_always_one_runs_and_one_is_refused(tmp_path):
    for number in range(12):
        gate, results = FORK.Barrier(2), FORK.Queue()
        pair = [
            FORK.Process(target=race, args=(tmp_path, gate, results))
            for _ in range(2)
        ]
        for one in pair:
            one.start()
        ends = sorted(results.get(timeout=60) == 'ran' for _ in pair)
        for one in pair:
            one.join(60)
        assert ends == [False, True], f'pair {number}'


def test_file_systems_without_locks_get_a_warning(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(95, 'Operation not supported')

    monkeypatch.setattr('mmgl.utils.locks.fcntl.flock', no_locks)
    with pytest.warns(UserWarning, match='cannot be locked .Operation not'):
        with locked_folder(tmp_path):
            pass

"""Pools: killed workers are told of, and end with a killed owner."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import BrokenExecutor

import pytest

from mmgl.utils.workers import process_pool


def die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_worker_is_an_error():
    with process_pool(2, None, int) as pool, pytest.raises(BrokenExecutor):
        list(pool.map(die, range(9)))


OWNER = """
import os, time
from mmgl.utils.workers import process_pool
with process_pool(3, None, int) as pool:
    print(*{pool.submit(os.getpid).result() for _ in range(30)}, flush=True)
    pool.submit(time.sleep, 60).result()
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Nobody may have collected it yet.
    with open(f'/proc/{pid}/stat') as file:
        return file.read().rpartition(')')[2].split()[0] != 'Z'


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_workers_end_with_their_owner():
    code = textwrap.dedent(OWNER)
    with subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True
    ) as owner:
        workers = [int(pid) for pid in owner.stdout.readline().split()]
        assert workers and all(map(alive, workers))
        owner.kill()
        end = time.monotonic() + 10
        while any(map(alive, workers)) and time.monotonic() < end:
            time.sleep(0.05)
    assert not any(map(alive, workers))

"""What malloc does with memory that is freed."""

import os
import subprocess
import sys

import pytest

from mmgl.utils import memory

FAULTS = """
import resource
import numpy as np
from mmgl.utils.memory import keep_freed_memory

print(keep_freed_memory())
for turn in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in (3, 40, 70):  # MiB
        np.ones(size << 20, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(**environment):
    """Whether memory is kept, and the pages that the third turn touches."""
    inherited = {
        k: v for k, v in os.environ.items() if k not in memory._CHOSEN
    }
    done = subprocess.run(
        [sys.executable, '-c', FAULTS],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = done.stdout.split()
    return kept == 'True', int(faults)


@pytest.mark.skipif(sys.platform != 'linux', reason='of glibc')
def test_what_was_touched_once_is_touched_no_more():
    kept, faults = run()
    assert kept and faults < 10
    kept, faults = run(MALLOC_MMAP_MAX_='65536')
    # 113 MiB, by pages of 2 MiB where there are such.
    assert not kept and faults > 50


def test_without_glibc_nothing_happens(monkeypatch):
    for name in memory._CHOSEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(memory.ctypes, 'CDLL', lambda _: object())
    assert not memory.keep_freed_memory()
    monkeypatch.setattr(memory.sys, 'platform', 'darwin')
    assert not memory.keep_freed_memory()

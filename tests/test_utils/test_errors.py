import errno
import os
import re
import signal
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from mmgl.utils.errors import (
    ConfigError,
    TerminatedError,
    missing_packages,
    report_errors,
    report_outcome,
    terminate_like_interrupt,
)


@pytest.mark.parametrize('report', [report_errors, report_outcome])
@pytest.mark.parametrize(
    'error, words',
    [
        (OSError(errno.ENOSPC, 'No space left'), 'No space left; make room'),
        (OSError(errno.EDQUOT, 'Quota'), 'cannot write: Quota; make room'),
        (
            RuntimeError('DataLoader worker (pid 7) is killed by signal: K.'),
            'is killed by signal: K; where memory is short .*--shm-size',
        ),
        (
            RuntimeError(
                'Caught RuntimeError in DataLoader worker process 1.\n'
                'Original Traceback (most recent call last):\n'
                'RuntimeError: unable to allocate shared memory(shm) for file '
                '</torch_2_1_0>: Resource temporarily unavailable (11)\n'
            ),
            'a worker .* is unable to allocate shared .*11.; .*--shm-size',
        ),
        (BrokenProcessPool('A process ended.'), 'A process ended; .*workers'),
    ],
)
def test_known_ends_of_a_run_are_one_sentence(report, error, words, capsys):
    with pytest.raises(SystemExit) as stopped, report():
        raise error
    shown = capsys.readouterr()
    assert stopped.value.code == 2 and shown.out == ''
    (line,) = shown.err.splitlines()
    assert re.match(f'error: .*{words}', line), line


@pytest.mark.parametrize(
    'error', [RuntimeError('own'), OSError(errno.ECHILD, 'x')]
)
def test_unknown_ends_of_a_run_keep_their_traceback(error):
    with pytest.raises(type(error)) as caught, report_outcome():
        raise error
    assert caught.value is error


def test_missing_packages_are_named_as_pip_knows_them():
    with (
        pytest.raises(
            ConfigError, match='^maps needs grad-cam, .*; pip insta'
        ),
        missing_packages('maps'),
    ):
        raise ModuleNotFoundError(name='pytorch_grad_cam.utils')
    with (
        pytest.raises(ImportError, match='needs torch, .*; pip install mmgl$'),
        missing_packages('mmgl train', 'mmgl'),
    ):
        raise ModuleNotFoundError(name='torch')
    # A mistake of ours is no package to install.
    with pytest.raises(ModuleNotFoundError), missing_packages('it'):
        raise ModuleNotFoundError(name='mmgl.nothing')


def test_termination_has_a_code_of_its_own(capsys):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD)
    with pytest.raises(SystemExit) as stopped, report_outcome(remedy='again'):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    signal.signal(signal.SIGCHLD, before[1])
    assert stopped.value.code == 143
    assert capsys.readouterr().err == '\nterminated; again\n'
    assert signal.getsignal(signal.SIGTERM) == before[0]


def test_ranks_are_ended_by_who_started_them(monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    before = signal.getsignal(signal.SIGTERM)
    with terminate_like_interrupt():
        assert signal.getsignal(signal.SIGTERM) == before
    monkeypatch.setenv('WORLD_SIZE', '1')
    with terminate_like_interrupt():
        assert signal.getsignal(signal.SIGTERM) != before
    assert issubclass(TerminatedError, KeyboardInterrupt)

"""Each kind of stage is killed once, with its job, and given again.

A figure of two trainings has them all: data, a pre-training, fine-tunings,
evaluations and the picture. Slow: the job runs twice at the smallest size.
"""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from campaign import TIMEOUT, Run, leftovers, through
from programs import drawn, plan
from running import differences

# In the order in which they first run: where they are in the work dir, and
# what is there once they are done.
STAGES = {
    'data': ('data', ''),
    'finetune': ('*/finetune', 'epoch_1.pth'),
    'evaluate': ('*/features', 'features.npz'),
    'pretrain': ('pretrain/*', 'epoch_2.pth'),
    'figure': ('figures/*', '../*.png'),
}


def at_work(kind, folder):
    """Whether a stage of a kind is in the middle of its work."""
    if kind == 'data':
        return any((folder / 'data').glob('**/*.jpg'))
    where, last = STAGES[kind]
    for path in (folder / 'work').glob(where):
        if not path.is_dir() or any(path.glob(last)):
            continue
        if kind == 'figure':
            return (path / 'stage.log').is_file()
        if kind == 'pretrain' and not (path / 'epoch_1.pth').is_file():
            continue
        with suppress(OSError, ValueError):
            if json.loads((path / 'progress.json').read_text())['done']:
                return True
    return False


def children(process):
    """Numbers of the processes that any of its threads has started."""
    tasks = Path(f'/proc/{process.pid}/task').glob('*/children')
    return [int(one) for path in tasks for one in path.read_text().split()]


def kill(kind, run):
    """SIGKILL the job and its stage when that is at work."""
    process, deadline = run.start(), time.monotonic() + TIMEOUT
    stages = []
    try:
        while not (at_work(kind, run.folder) and stages):
            assert process.poll() is None, run.log.read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.01)
            stages = children(process)
    finally:
        process.kill()
        for stage in stages:
            with suppress(ProcessLookupError):
                os.killpg(stage, signal.SIGKILL)
        code = process.wait()
    assert code == -signal.SIGKILL


def starts(folder, kind):
    """How often each stage of a kind was started."""
    return [
        path.read_text(errors='replace').count('\n$ ')
        for path in (folder / 'work').glob(f'{STAGES[kind][0]}/stage.log')
    ]


@pytest.mark.slow
def test_each_kind_of_stage_is_killed_and_goes_on(tmp_path):
    program = plan('fig5', lambda folder: drawn(folder / 'work'))
    _, _, expected = through(program, tmp_path / 'through')
    assert len(expected) >= 10
    run = Run(program, tmp_path / 'killed')
    for kind in STAGES:
        kill(kind, run)
    assert run.finish() == ''
    assert differences(expected, program.results(run.folder)) == []
    assert leftovers(run.folder) == []
    (log,) = run.folder.glob('work/pretrain/*/stage.log')
    assert 'resumed epoch: 1' in log.read_text()
    # What was done is not done again.
    for kind in STAGES:
        counted = sorted(starts(run.folder, kind))
        assert counted[-1] == 2 and set(counted[:-1]) <= {1}, (kind, counted)
    for kind in STAGES:
        assert set(starts(tmp_path / 'through', kind)) == {1}

"""Parts of a job: subprocesses, lock, remaining time, display."""

import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from mmgl.experiments.chain import Chain
from mmgl.experiments.launch import StageError, launch_stage
from mmgl.experiments.progress import Display, Estimator, Outlook
from mmgl.experiments.stage import Stage
from mmgl.experiments.state import StageState, changes, locked, read_json
from mmgl.utils.errors import ConfigError
from mmgl.utils.progress import ImageProgress


def make_stage(folder, code, name='s', kind='pretrain', seconds=1.0):
    folder.mkdir(exist_ok=True)
    return Stage(
        name=name,
        title=name,
        kind=kind,
        work_dir=folder,
        ingredients={},
        command=[sys.executable, '-c', code],
        seconds=seconds,
    )


def gone(pid):
    """Whether a process has ended (a zombie counts as ended)."""
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] == 'Z'
    except FileNotFoundError:
        return True


def wait_for(condition, seconds=100.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_child_progress_arrives_and_output_is_logged(tmp_path):
    # The child ends once its progress has been seen, however slow the machine.
    code = (
        'import os, json, time\n'
        'path = os.environ["MMGL_PROGRESS_FILE"]\n'
        'text = json.dumps(dict(done=3, total=4, text="epoch 3/4"))\n'
        'open(path + ".new", "w").write(text)\n'
        'os.replace(path + ".new", path)\n'
        'print("hello")\n'
        'end = time.monotonic() + 60\n'
        'while not os.path.exists("seen") and time.monotonic() < end:\n'
        '    time.sleep(0.02)\n'
    )
    stage, seen = make_stage(tmp_path / 's', code), []
    for state in launch_stage(stage, tmp_path, poll=0.01):
        seen.append(state)
        if state[0] == 0.75:
            (tmp_path / 'seen').touch()
    assert (0.75, 'epoch 3/4') in seen
    assert 'hello' in (tmp_path / 's/stage.log').read_text()


def test_failure_shows_the_end_of_the_log_and_its_path(tmp_path):
    code = 'for i in range(30): print("line", i)\nraise SystemExit(3)'
    with pytest.raises(StageError) as error:
        list(launch_stage(make_stage(tmp_path / 's', code), tmp_path))
    text = str(error.value)
    assert 'exit code 3' in text and str(tmp_path / 's/stage.log') in text
    assert 'line 29' in text and 'line 10\n' in text
    assert 'line 9\n' not in text


def test_interrupt_stops_the_child_and_its_children(tmp_path):
    pids = tmp_path / 'pids'
    code = (
        'import os, subprocess, sys, time\n'
        'p = subprocess.Popen([sys.executable, "-c", '
        '"import time; time.sleep(60)"])\n'
        f'open({str(pids)!r} + ".new", "w").write('
        'f"{os.getpid()} {p.pid}")\n'
        f'os.replace({str(pids)!r} + ".new", {str(pids)!r})\n'
        'time.sleep(60)\n'
    )
    stage = make_stage(tmp_path / 's', code)
    with pytest.raises(KeyboardInterrupt):
        with closing(launch_stage(stage, tmp_path)) as steps:
            for _ in steps:
                if pids.exists():
                    raise KeyboardInterrupt
    for pid in map(int, pids.read_text().split()):
        assert wait_for(lambda pid=pid: gone(pid))


@pytest.mark.skipif(
    not sys.platform.startswith('linux'),
    reason='only Linux can tie a child to its parent',
)
def test_child_dies_with_a_killed_parent(tmp_path):
    """Imports the package in a second Python, hence a few seconds."""
    pid_file = tmp_path / 'pid'
    child = (
        'import os, time; '
        f'open({str(pid_file)!r}, "w").write(str(os.getpid())); '
        'time.sleep(60)'
    )
    parent = (
        'import sys; from pathlib import Path\n'
        'from mmgl.experiments.launch import launch_stage\n'
        'from mmgl.experiments.stage import Stage\n'
        f'd = Path({str(tmp_path)!r})\n'
        's = Stage("s", "s", "data", d, {}, '
        f'command=[sys.executable, "-c", {child!r}])\n'
        'list(launch_stage(s, d))\n'
    )
    process = subprocess.Popen([sys.executable, '-c', parent])
    try:
        assert wait_for(lambda: pid_file.exists() and pid_file.read_text())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert wait_for(lambda: gone(int(pid_file.read_text())))


@pytest.mark.parametrize('value', ['all', '0', '-2', '1.5', ',2'])
def test_a_wrong_number_of_threads_is_named(tmp_path, monkeypatch, value):
    monkeypatch.setenv('OMP_NUM_THREADS', value)
    stage = Stage('x', 'x', 'data', tmp_path, {})
    with pytest.raises(ConfigError, match='OMP_NUM_THREADS.*unset'):
        _ = stage.threads
    stage.env = {'OMP_NUM_THREADS': ' 3,1'}
    assert stage.threads == 3


def test_lock_keeps_a_second_one_out_and_is_given_back(tmp_path):
    with locked(tmp_path) as descriptor:
        assert descriptor >= 0
        with (
            (tmp_path / '.lock').open() as other,
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with (
            pytest.raises(RuntimeError, match=str(os.getpid())),
            locked(tmp_path, patience=0),
        ):
            pass
    with locked(tmp_path, patience=0):
        pass


def make_chain(tmp_path, *kinds_and_seconds):
    return [
        make_stage(tmp_path, '', f's{i}', kind, seconds)
        for i, (kind, seconds) in enumerate(kinds_and_seconds)
    ]


def test_estimate_scales_by_what_was_measured(tmp_path):
    chain = make_chain(
        tmp_path,
        ('data', 10),
        ('pretrain', 100),
        ('finetune', 50),
        ('finetune', 50),
    )
    estimator = Estimator(chain)
    # Nothing known: the expectations.
    assert estimator.outlook('s0', 0, 0) == Outlook(0.0, 10, 210)
    # The machine is half as fast as expected; 21 of 210 are held for sure.
    estimator.measured['s0'] = 20
    ratio = (20 + 21) / (10 + 21)
    look = estimator.outlook('s1', 0, 0)
    assert look.stage_left == pytest.approx(100 * ratio)
    assert look.total_left == pytest.approx(200 * ratio)
    assert look.fraction == pytest.approx(20 / (20 + 200 * ratio))
    # A measured stage of the same kind beats the scaled expectation.
    estimator.measured.update(s1=200, s2=30)
    assert estimator.outlook('s3', 0, 0).total_left == 30


def test_estimate_follows_the_running_stage(tmp_path):
    estimator = Estimator(make_chain(tmp_path, ('a', 10), ('b', 10)))
    look = estimator.outlook('s0', 20, 0.5)
    assert look.stage_left == pytest.approx(20)
    # The stage after it is expected to be about as slow.
    later = 10 * (40 + 2) / (10 + 2)
    assert look.total_left == pytest.approx(20 + later)
    assert look.fraction == pytest.approx(20 / (40 + later))
    assert estimator.outlook('s0', 15, 0).stage_left == 0
    more = Estimator([*estimator.stages.values()], after=7).outlook(
        's0', 20, 0.5
    )
    assert more.total_left == pytest.approx(20 + later + 7)


def test_a_failure_stops_what_runs_beside_it(tmp_path):
    closed = []

    def runner(stage):
        try:
            yield 0.1, 'begun'
            while stage.name == 'slow':
                yield 0.5, 'half'
            raise StageError('the log says no')
        finally:
            closed.append(stage.name)

    slow, bad, more = (
        make_stage(tmp_path / name, '', name) for name in ('slow', 'bad', 'c')
    )
    more.needs = [slow]
    stages, slots = [slow, bad, more], [{'GPU': '0'}, {'GPU': '1'}]
    chain = Chain(stages, runner, Display(io.StringIO()), slots=slots)
    with pytest.raises(StageError, match='says no'):
        chain.run()
    # Both were under way, each with an environment of its own.
    assert closed == ['bad', 'slow'] and more.env == {}
    assert [stage.env for stage in (slow, bad)] == slots
    assert read_json(tmp_path / 'slow/stage.json')['state'] == 'running'


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_display_refreshes_on_a_terminal_and_is_sparse_in_a_log(monkeypatch):
    monkeypatch.setenv('COLUMNS', '60')
    monkeypatch.setenv('TERM', 'xterm')
    look = Outlook(0.25, 65, 130)
    living, log = Terminal(), io.StringIO()
    for stream in (living, log):
        display = Display(stream)
        display.begin()
        for fraction in (0.1, 0.2, 0.3):
            display.progress('2/6', 'pre-train', fraction, look, 'epoch 1/9')
        display.say('done')
        display.close()
    line = (
        '[2/6] pre-train:  10 %, 1:05 left | whole job  25 %, '
        '2:10 left | epoch 1/9'
    )
    assert log.getvalue().splitlines() == [line, 'done']
    # One line, as wide as the terminal, that is wiped before each other.
    text = living.getvalue()
    assert text.count('\r\x1b[2K') >= 4 and '\n\n' not in text
    shown = re.sub(r'\x1b\[[?\d;]*[A-Za-z]', '', text)
    lines = re.split(r'[\r\n]+', shown)
    for fraction in ('10', '20', '30'):
        assert line.replace(' 10 %', f' {fraction} %')[:60] in lines
    assert 'done' in lines and max(map(len, lines)) == 60


def test_what_is_set_aside_replaces_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr('time.strftime', lambda form: '20261127-042200')
    folder = tmp_path / 's'
    for number in range(3):
        stage = Stage('s', 's', 'pretrain', folder, {'number': number})
        resumed, reason = StageState(stage).claim()
        assert not resumed and ('starting it again' in reason) == (number > 0)
        (folder / 'epoch_1.pth').write_text(str(number))
    found = {
        path.name: (path / 'epoch_1.pth').read_text()
        for path in tmp_path.iterdir()
    }
    old = 's.old-20261127-042200'
    assert found == {old: '0', f'{old}-2': '1', 's': '2'}
    # The same again goes on.
    assert StageState(stage).claim() == (True, '')


def test_changes_are_named():
    old = {'config': {'a': {'b': 1, 'c': 2}}, 'seed': 0}
    new = {'config': {'a': {'b': 3}}, 'seed': 0}
    assert changes(old, new) == ['a.b: 1 -> 3', 'a.c: 2 -> (absent)']
    assert changes(old, new, limit=1) == ['a.b: 1 -> 3', 'and 1 more']
    assert changes(old, dict(old)) == []


def test_data_progress_file(tmp_path, monkeypatch):
    path = tmp_path / 'p.json'
    monkeypatch.setenv('MMGL_PROGRESS_FILE', str(path))
    report = ImageProgress(quiet=True)
    report(1, 10)
    report(10, 10)
    assert read_json(path) == {'done': 10, 'total': 10, 'text': 'image 10/10'}
    path.write_text('{"done":')
    assert read_json(path) is None
    path.write_text(json.dumps([1]))
    assert read_json(path) is None

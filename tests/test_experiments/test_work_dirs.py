"""A work dir is one job's, and what is written is whole or the old one."""

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial

import pytest
from reproducing import FakeRunner, make_options, start

from mmgl.experiments import Options
from mmgl.experiments.state import JOB, check_work_dir
from mmgl.utils.locks import locked_folder
from mmgl.utils.paths import tool_dir

SMALL = dict(seeds=1, only=['agw', 'random'])
# A job whose stages wait for a file, in a process of its own.
WAITING = """
import json, signal, sys, time
from pathlib import Path
# A shell lets what it starts behind the scenes ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from mmgl.experiments import Options, run
from mmgl.experiments import state
from mmgl.experiments.tables import GROUPS, MEASURES
state.locked.keywords['patience'] = 1
folder = Path(sys.argv[1])
def runner(stage):
    (folder / 'begun').touch()
    while not (folder / 'go').exists():
        yield 0.5, 'waiting'
        time.sleep(0.05)
    for path in stage.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        keys = [f'{group}/{name}' for group in GROUPS for name in MEASURES]
        path.write_text(json.dumps({'metrics': dict.fromkeys(keys, 1)}))
sys.exit(run(Options(
    ['table2'], only=['agw', 'random'], seeds=1, work_dir=folder / 'work',
    results=folder / 'results', document=None, jobs=1, gpus=[],
    data_root=dict(sysu=folder / 'data')), runner))
"""


def tree(folder):
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in folder.rglob('*')
    }


def test_a_machine_without_slurm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    changes = dict(slurm='gpu', gpus=None, jobs=None)
    code, text = start(make_options(tmp_path, **changes, **SMALL))
    assert code == 2 and 'srun' in text and '--slurm' in text
    assert not (tmp_path / 'work').exists()


def test_what_the_system_refuses_is_named(tmp_path):
    options = make_options(tmp_path, work_dir='/proc/mine', **SMALL)
    code, text = start(options, FakeRunner())
    (line,) = [x for x in text.splitlines() if x.startswith('Error')]
    assert code == 2 and '/proc/mine' in line and 'Errno' not in line


def nest(folder, kind):
    """Make a folder unfit to be a work dir; gives it and words of why."""
    work = folder / 'work'
    if kind == 'file':
        work.write_text('mine')
        return work, 'is a file'
    if kind == 'foreign file':
        work.mkdir()
        (work / 'thesis.tex').write_text('mine')
        return work, 'thesis.tex'
    if kind == 'foreign folder':
        (work / 'photos').mkdir(parents=True)
        return work, 'photos'
    if kind == 'data set':
        return folder / 'data/work', 'is for a data set'
    if kind == 'above a job':
        (work / 'a/b').mkdir(parents=True)
        (work / 'a/b' / JOB).write_text('{"job": "reproduce"}')
        return work, 'holds a,'
    (work / 'data').mkdir(parents=True)
    if kind == 'in a job':
        (work / JOB).write_text('{"job": "reproduce"}')
        return work / 'mine/more', f'lies in {work}'
    if kind == 'in a stage':
        (work / 'data/stage.json').write_text('{}')
        return work / 'data/more', f'lies in {work / "data"}'
    (work / JOB).write_text('{"job": "quickstart"}')
    return work, 'is that of quickstart'


@pytest.mark.parametrize(
    'kind',
    [
        'file',
        'foreign file',
        'foreign folder',
        'data set',
        'above a job',
        'in a job',
        'in a stage',
        'another job',
    ],
)
def test_a_folder_that_is_not_the_jobs_is_refused(kind, tmp_path):
    work, words = nest(tmp_path, kind)
    before, runner = tree(tmp_path), FakeRunner()
    code, text = start(make_options(tmp_path, work_dir=work, **SMALL), runner)
    (line,) = [x for x in text.splitlines() if x.startswith('Error')]
    assert code == 2 and words in line and str(work) in line
    assert not runner.ran and tree(tmp_path) == before


def test_a_data_set_in_the_folder_of_a_stage_is_refused(tmp_path):
    options = make_options(
        tmp_path, data_root={'sysu': tmp_path / 'work/data'}, **SMALL
    )
    code, text = start(options, FakeRunner())
    assert code == 2 and 'work/data' in text
    # Beside them it may lie.
    near = {'sysu': tmp_path / 'work/images'}
    assert (
        start(make_options(tmp_path, data_root=near, **SMALL), FakeRunner())[0]
        == 0
    )


def test_a_work_dir_of_before_the_mark_is_taken(tmp_path):
    options = make_options(tmp_path, **SMALL)
    assert start(options, FakeRunner())[0] == 0
    (options.work_dir / JOB).unlink()
    other = make_options(tmp_path, seeds=1, only=['caj', 'random'])
    assert start(other, FakeRunner())[0] == 0
    # At full scale no stage writes data.
    (options.work_dir / JOB).unlink()
    (options.work_dir / 'data/stage.json').unlink()
    check_work_dir(options.work_dir, 'reproduce', [], [])


def test_marks_that_a_kill_left_half_written_are_no_foreign_files(tmp_path):
    options = make_options(tmp_path, **SMALL)
    stage = options.work_dir / 'agw_random_seed0/finetune'
    stage.mkdir(parents=True)
    (options.work_dir / '.job.json.0a1b2c3d.part').touch()
    (stage / '.stage.json.0a1b2c3d.part').touch()
    assert start(options, FakeRunner())[0] == 0
    assert not list(tmp_path.rglob('*.part'))
    assert (stage / 'stage.json').is_file()


def test_the_second_job_is_told_who_is_at_work(tmp_path, monkeypatch):
    quick = partial(locked_folder, patience=0, inherited=True)
    monkeypatch.setattr('mmgl.experiments.state.locked', quick)
    options, runner = make_options(tmp_path, **SMALL), FakeRunner()
    start(options, FakeRunner(fail=['data']))
    with locked_folder(options.work_dir):
        before = tree(tmp_path)
        code, text = start(options, runner)
        assert code == 2 and str(os.getpid()) in text
        assert not runner.ran and tree(tmp_path) == before
    assert start(options, runner)[0] == 0 and runner.ran


@contextmanager
def waiting(folder, number=1):
    """Start jobs of one folder; they are ended at last."""
    command = [sys.executable, '-W', 'ignore', '-c', WAITING, str(folder)]
    jobs = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(number)
    ]
    try:
        yield jobs
    finally:
        for job in jobs:
            job.kill()
            job.communicate()


def wait_for(path, seconds=100):
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert path.exists()


def test_of_jobs_started_together_one_works(tmp_path):
    """Three Pythons import the package: some seconds."""
    with waiting(tmp_path, 3) as jobs:
        wait_for(tmp_path / 'begun')
        end = time.monotonic() + 100
        while sum(job.poll() is None for job in jobs) > 1:
            assert time.monotonic() < end
            time.sleep(0.1)
        (worker,) = [job for job in jobs if job.poll() is None]
        for job in jobs:
            if job is not worker:
                assert job.returncode == 2
                assert f'process {worker.pid}' in job.stdout.read()
        (tmp_path / 'go').touch()
        assert worker.wait(100) == 0


@pytest.mark.parametrize(
    'number, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_whoever_ends_it_reads_how_to_go_on(tmp_path, number, code):
    """A Python imports the package: some seconds."""
    with waiting(tmp_path) as (job,):
        wait_for(tmp_path / 'begun')
        job.send_signal(number)
        text, _ = job.communicate(timeout=100)
        assert job.returncode == code
        again = shlex.join(job.args)
        words = 'Interrupted. Give the same command again to continue: '
        assert text.endswith(f'{words}{again}\n'), text
    (tmp_path / 'go').touch()
    with waiting(tmp_path) as (job,):
        text, _ = job.communicate(timeout=100)
        assert job.returncode == 0 and '(continued)' in text


@contextmanager
def full_disk(size=6000):
    """Let no file grow, as on a full disk; copies of configs are small."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_what_there_was(tmp_path):
    options = make_options(tmp_path, **SMALL)
    assert start(options, FakeRunner())[0] == 0
    before = tree(tmp_path)
    with full_disk():
        code, text = start(
            make_options(tmp_path, write_only=True), FakeRunner()
        )
    (line,) = [x for x in text.splitlines() if x.startswith('Error')]
    assert code == 2 and 'table2.json' in line and 'too large' in line
    assert tree(tmp_path) == before


def test_a_disk_that_fills_up_costs_no_stage(tmp_path):
    class Filling(FakeRunner):
        def __call__(self, stage):
            yield from super().__call__(stage)
            if stage.kind == 'finetune':
                limit.__enter__()

    limit, options = full_disk(64), make_options(tmp_path, **SMALL)
    try:
        code, text = start(options, Filling())
    finally:
        limit.__exit__(None, None, None)
    assert code == 2 and 'stage.json' in text and 'Traceback' not in text
    again = FakeRunner()
    assert start(options, again)[0] == 0
    assert again.ran[0] == 'agw_random_seed0/finetune'
    assert not list(tmp_path.rglob('*.part'))


@pytest.mark.parametrize('name', ['results', 'document'])
def test_where_nothing_can_be_written_nothing_is_begun(name, tmp_path):
    place = tmp_path / 'place'
    if name == 'results':
        place.write_text('mine')
    else:
        place.mkdir()
    runner = FakeRunner()
    options = make_options(tmp_path, **{name: place}, **SMALL)
    code, text = start(options, runner)
    assert code == 2 and str(place) in text and not runner.ran


@pytest.mark.parametrize(
    'tool, words, named',
    [
        ('quickstart.py', ['--seeds', '0'], '--seeds'),
        ('quickstart.py', ['--workers', '-1'], '--workers'),
        ('reproduce.py', ['table2', '--jobs', '0'], '--jobs'),
        ('reproduce.py', ['table2', '--jobs', '1000000000'], 'jobs'),
        ('quickstart.py', ['--seeds', '10000000000'], 'seeds'),
        ('reproduce.py', ['table2', '--data-root', 'llcm=x'], 'llcm'),
    ],
)
def test_mistakes_on_the_command_line(tool, words, named, monkeypatch, capsys):
    import runpy

    monkeypatch.setattr(sys, 'argv', [tool, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tool_dir() / tool), run_name='__main__')
    assert ended.value.code == 2
    # Behind the usage, where it is the option that is wrong.
    line = capsys.readouterr().err.splitlines()[-1]
    assert 'error: ' in line and named in line


def test_the_default_work_dirs_do_not_nest():
    folders = [
        Options(['quickstart'], smoke=smoke).work_dir
        for smoke in (True, False)
    ]
    folders += [Options(['all'], scale).work_dir for scale in ('mini', 'full')]
    assert not any(
        one.is_relative_to(other)
        for one in folders
        for other in folders
        if one is not other
    )


def test_another_text_is_not_overwritten(tmp_path):
    thesis, runner = tmp_path / 'thesis.md', FakeRunner()
    thesis.write_text('# Chapter 1')
    options = make_options(tmp_path, document=thesis, **SMALL)
    code, text = start(options, runner)
    assert code == 2 and 'thesis.md' in text and '--document' in text
    assert not runner.ran and thesis.read_text() == '# Chapter 1'
    thesis.write_text('')
    assert start(options, runner)[0] == 0
    assert thesis.read_text().startswith('# Results')


def spoil_value(record):
    record['metrics']['all_single/mAP'] = float('nan')


def spoil_cell(record):
    record['cell']['seed'] = 1


def spoil_text(record):
    record['metrics']['all_single/mAP'] = '45.0'


def spoil_metrics(record):
    record['metrics'] = [45.0]


def spoil_seconds(record):
    record['seconds']['finetune'] = float('inf')


def spoil_keys(record):
    del record['metrics']['indoor_multi/rank20']


def spoil_verdict(record):
    del record['verdict']


@pytest.mark.parametrize(
    'spoil, words',
    [
        (spoil_seconds, 'seconds/finetune = inf'),
        (spoil_keys, 'no indoor_multi/rank20'),
        (spoil_verdict, 'verdict'),
        (spoil_value, 'all_single/mAP = nan'),
        (spoil_cell, 'that of agw_random_seed1'),
        (spoil_text, 'str'),
        (spoil_metrics, 'list'),
    ],
)
def test_a_damaged_record_is_named(spoil, words, tmp_path):
    options = make_options(tmp_path, write_only=True, **SMALL)
    assert start(make_options(tmp_path, **SMALL), FakeRunner())[0] == 0
    (path,) = (options.results / 'mini').glob('*.json')
    record = json.loads(path.read_text())
    spoil(record)
    path.write_text(json.dumps(record))
    before = tree(tmp_path)
    code, text = start(options, FakeRunner())
    assert code == 2 and words in text and str(path) in text
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    'changed',
    [{'seconds': None}, {'threads': 'all'}, {'ingredients': []}, None],
)
def test_a_damaged_state_of_a_stage_is_told_from_a_stage(changed, tmp_path):
    options = make_options(tmp_path, **SMALL)
    assert start(options, FakeRunner(fail=['agw_random_seed0/finetune']))[0]
    path = options.work_dir / 'agw_random_seed0/finetune/stage.json'
    (path.parent / 'epoch_1.pth').touch()
    saved = json.loads(path.read_text())
    path.write_text(json.dumps({**saved, **changed}) if changed else '{"a')
    code, text = start(options, FakeRunner())
    assert code == 2 and str(path.parent) in text
    assert (path.parent / 'epoch_1.pth').exists()


def test_a_number_that_cannot_be_is_not_recorded(tmp_path):
    class Broken(FakeRunner):
        def __call__(self, stage):
            yield from super().__call__(stage)
            if stage.kind == 'evaluate':
                text = stage.outputs[0].read_text()
                stage.outputs[0].write_text(text.replace('5.0', 'NaN', 1))

    options = make_options(tmp_path, **SMALL)
    code, text = start(options, Broken())
    assert code == 2 and '= nan' in text and 'evaluate/metrics.json' in text
    assert not (options.results / 'mini').exists()

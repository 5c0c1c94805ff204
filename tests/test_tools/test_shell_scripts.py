import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmgl.evaluation.documents import read_report

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    *sorted(ROOT.glob('tools/**/*.sh')),
    *sorted(ROOT.glob('benchmarks/*.sh')),
    ROOT / '.ci/run',
]


def bash(*arguments, **variables):
    env = {
        k: v
        for k, v in os.environ.items()
        if k not in ('PYTHON', 'VIRTUAL_ENV', 'CONDA_PREFIX')
    }
    env.update({k: str(v) for k, v in variables.items()})
    return subprocess.run(
        ['bash', *map(str, arguments)],
        env=env,
        text=True,
        capture_output=True,
        cwd=env.get('CWD'),
    )


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda p: p.name)
def test_syntax(script):
    result = bash('-n', script)
    assert result.returncode == 0, result.stderr
    assert script.read_text().startswith('#!/usr/bin/env bash\n')


@pytest.mark.parametrize(
    'name',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'],
)
def test_launchers_tell_their_usage(name):
    result = bash(ROOT / 'tools' / name)
    assert result.returncode == 2 and 'usage:' in result.stderr


def launched(tmp_path, script, *arguments, **variables):
    """Options of torchrun, and the command line behind it."""
    python = tmp_path / 'echo_python'
    python.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    result = bash(
        ROOT / 'tools' / script, *arguments, PYTHON=python, **variables
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == ['-m', 'torch.distributed.run']
    tool = next(n for n, line in enumerate(lines) if line.endswith('.py'))
    return set(lines[2:tool]), lines[tool + 1 :]


STATIC = {
    '--nnodes=1',
    '--nproc_per_node=2',
    '--max_restarts=0',
    '--node_rank=0',
    '--master_addr=127.0.0.1',
    '--master_port=29500',
}


def test_static_launch_stays_the_default(tmp_path):
    options, command = launched(
        tmp_path, 'dist_train.sh', 'config.py', 2, '--cfg-options', 'a=b'
    )
    assert options == STATIC
    assert command == [
        'config.py',
        '--cfg-options',
        'a=b',
        '--launcher',
        'pytorch',
    ]
    options, _ = launched(
        tmp_path,
        'dist_train.sh',
        'config.py',
        4,
        NNODES=2,
        NODE_RANK=1,
        MASTER_ADDR='first',
        PORT=7,
    )
    assert {
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=first',
        '--master_port=7',
    } <= options
    options, _ = launched(tmp_path, 'dist_test.sh', 'config.py', 'a.pth', 2)
    assert options == STATIC


@pytest.mark.parametrize(
    'variables, nodes, endpoint, restarts',
    [
        (dict(MAX_RESTARTS=3), '1', '127.0.0.1:29500', 3),
        (dict(NNODES='1:4', MASTER_ADDR='first', PORT=7), '1:4', 'first:7', 0),
        (
            dict(NNODES=2, RDZV_ENDPOINT='any:8', MAX_RESTARTS=1),
            '2',
            'any:8',
            1,
        ),
    ],
)
def test_elastic_launch(tmp_path, variables, nodes, endpoint, restarts):
    options, command = launched(
        tmp_path,
        'dist_train.sh',
        'config.py',
        2,
        '--seed',
        1,
        RDZV_ID='job',
        **variables,
    )
    assert options == {
        f'--nnodes={nodes}',
        '--nproc_per_node=2',
        '--rdzv_backend=c10d',
        f'--rdzv_endpoint={endpoint}',
        '--rdzv_id=job',
        f'--max_restarts={restarts}',
    }
    # What starts again goes on, and not from the beginning.
    resume = ['--resume', 'auto'] if restarts else []
    assert command == [
        'config.py',
        '--seed',
        '1',
        *resume,
        '--launcher',
        'pytorch',
    ]


def test_own_way_to_resume_is_kept(tmp_path):
    _, command = launched(
        tmp_path,
        'dist_train.sh',
        'config.py',
        2,
        '--resume',
        'other',
        MAX_RESTARTS=2,
    )
    assert command[1:3] == ['--resume', 'other'] and 'auto' not in command
    _, command = launched(
        tmp_path, 'dist_test.sh', 'config.py', 'a.pth', 2, MAX_RESTARTS=2
    )
    assert '--resume' not in command


@pytest.fixture
def checkout(tmp_path):
    """A copy of what tools/venv.sh needs; pip only notes what it is asked."""
    for name in ('tools', 'requirements'):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ('setup.py', 'pyproject.toml'):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


FAKE = """#!/bin/bash
case "$*" in
*ensurepip*) {ensurepip} ;;
*version_info*'(3, 13)'*) exec {python} "$@" ;;
*"print(sys.prefix)"*) echo {prefix} ;;
*"sys.prefix == sys.base_prefix"*) {in_venv} ;;
"-m venv"*) mkdir -p "{root}/.venv/bin"; cp {root}/venv_python \
"{root}/.venv/bin/python" ;;
*) echo "$@" >> {root}/calls ;;
esac
"""


def fake_python(path, root, prefix, ensurepip='true', in_venv='false'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        FAKE.format(
            root=root,
            prefix=prefix,
            python=sys.executable,
            ensurepip=ensurepip,
            in_venv=in_venv,
        )
    )
    path.chmod(0o755)
    return path


def installs(root):
    calls = root / 'calls'
    lines = calls.read_text().splitlines() if calls.exists() else []
    return [line for line in lines if ' install ' in line]


def run_tests(checkout, **variables):
    return bash(checkout / 'tools/run_tests.sh', 'some_test.py', **variables)


def test_venv_is_made_once(checkout):
    base = fake_python(
        checkout / 'base/python', checkout, '/usr', 'true', 'false'
    )
    # `sys.exit(sys.prefix == sys.base_prefix)` fails for a base interpreter.
    fake_python(checkout / 'venv_python', checkout, checkout / '.venv')
    result = run_tests(checkout, PYTHON=base)
    assert result.returncode == 0, result.stderr
    first = installs(checkout)
    assert [line.split()[-1] for line in first] == [
        'requirements/tested.txt',
        '.',
    ]
    calls = (checkout / 'calls').read_text().splitlines()
    assert calls[-1] == '-m pytest -m not slow some_test.py'
    run_tests(checkout, PYTHON=base)
    assert installs(checkout) == first
    with (checkout / 'requirements/tested.txt').open('a') as file:
        file.write('another==1.0\n')
    result = run_tests(checkout, PYTHON=base)
    assert 'hashes of packages are not compared' in result.stderr
    assert len(installs(checkout)) == 2 * len(first)
    bare = Path(installs(checkout)[len(first)].split()[-1]).read_text()
    assert 'another==1.0' in bare.splitlines()
    assert not re.search('hash|[\\\\]', bare.partition('addict')[2])


def test_every_exact_version_has_hashes():
    pins = (ROOT / 'requirements/tested.txt').read_text()
    lines = [one for one in pins.splitlines() if not one.startswith('#')]
    names = [one for one in lines if not one.startswith(' ')]
    assert len(names) > 100
    assert [one for one in names if not re.search(r'==\S+ .*\\$', one)] == []
    hashes = [one for one in lines if one.startswith(' ')]
    good = re.compile(r' {4}--hash=sha256:[0-9a-f]{64}( \\)?')
    assert [one for one in hashes if not good.fullmatch(one)] == []


def test_missing_venv_module_is_one_clear_sentence(checkout):
    base = fake_python(checkout / 'base/python', checkout, '/usr', 'false')
    result = run_tests(checkout, PYTHON=base)
    assert result.returncode == 1
    assert result.stderr.count('\n') == 1
    assert 'apt-get install python3-venv' in result.stderr


def test_wrong_python_is_one_clear_sentence(checkout):
    result = run_tests(checkout, PYTHON='/bin/false')
    assert result.returncode == 1
    assert 'PYTHON=/bin/false is no Python 3.10' in result.stderr


@pytest.mark.parametrize('variable', ['VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHON'])
def test_own_environment_is_used_as_it_is(checkout, variable):
    prefix = checkout / 'own'
    python = fake_python(
        prefix / 'bin/python', checkout, prefix, in_venv='true'
    )
    value = python if variable == 'PYTHON' else prefix
    result = run_tests(checkout, **{variable: value})
    assert result.returncode == 0, result.stderr
    assert not (checkout / '.venv').exists()
    # Ranges, not the exact versions: its torch is kept.
    assert 'requirements/runtime.txt' in installs(checkout)[0]


def test_failed_installation_is_tried_again(checkout):
    base = fake_python(checkout / 'base/python', checkout, '/usr')
    venv = fake_python(checkout / 'venv_python', checkout, checkout / '.venv')
    good = venv.read_text()
    venv.write_text(
        good.replace(
            'case "$*" in',
            'case "$*" in\n*install*) echo broken >&2; exit 1 ;;',
        )
    )
    result = run_tests(checkout, PYTHON=base)
    assert result.returncode == 1 and 'start again' in result.stderr
    (checkout / '.venv/bin/python').write_text(good)
    assert run_tests(checkout, PYTHON=base).returncode == 0
    assert len(installs(checkout)) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason='about gloo')
def test_two_processes_on_the_cpu(tmp_path, monkeypatch):
    """Train and test by the launchers; 20 s, six programs import torch."""
    toy = ROOT / 'tests'
    import toy as toy_module

    from mmgl.apis.evaluation import run_evaluation

    config = tmp_path / 'toy_config.py'
    base = ROOT / 'configs/_base_/default_runtime.py'
    config.write_text(toy_module.CONFIG.format(base=base))
    shared = dict(
        PYTHON=sys.executable,
        OMP_NUM_THREADS=1,
        CWD=tmp_path,
        PORT=29617,
        PYTHONPATH=f'{toy}:{ROOT}',
    )
    result = bash(
        ROOT / 'tools/dist_train.sh',
        config,
        2,
        '--cfg-options',
        'train_cfg.max_epochs=2',
        **shared,
    )
    assert result.returncode == 0, result.stderr
    folder = tmp_path / 'work_dirs/toy_config'
    # 32 images, two ranks with batches of 4.
    assert (
        torch.load(folder / 'epoch_2.pth', weights_only=False)['meta']['iter']
        == 8
    )
    result = bash(
        ROOT / 'tools/dist_test.sh',
        config,
        folder / 'epoch_2.pth',
        2,
        '--out',
        'two.json',
        **shared,
    )
    assert result.returncode == 0, result.stderr
    monkeypatch.chdir(tmp_path)
    run_evaluation(
        [str(config), str(folder / 'epoch_2.pth'), '--out', 'one.json']
    )
    one, two = (read_report(tmp_path / f'{n}.json')[0] for n in ('one', 'two'))
    assert two == pytest.approx(one, rel=1e-5, abs=1e-5)

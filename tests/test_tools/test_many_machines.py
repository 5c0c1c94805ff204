"""Launchers on several machines, which are this one, with gloo.

The tools are replaced by a script that tells who it is and adds up the
ranks; SLURM by stand-ins that start programs as it does. Each test imports
torch in four or five processes: 5 s.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason='about gloo')

TOOL = """
import json, os, sys
import torch
import torch.distributed as dist
from mmgl.utils.compat import setup_cpu_distributed

launcher = sys.argv[sys.argv.index('--launcher') + 1]
setup_cpu_distributed(dict(launcher=launcher))
total = torch.tensor(10. ** dist.get_rank())
dist.all_reduce(total)
with open(f'rank_{dist.get_rank()}.json', 'w') as file:
    json.dump(dict(
        world=dist.get_world_size(), total=total.item(),
        local=os.environ['LOCAL_RANK'], node=os.environ.get('NODE'),
        arguments=sys.argv[1:]), file)
dist.barrier()
dist.destroy_process_group()
"""
# Starts --ntasks tasks, as many a node as it is told, and waits for them.
# What it does not know is an error, as it is for srun.
SRUN = """#!{python}
import os, subprocess, sys

given, rest = dict(), sys.argv[1:]
while rest[0].startswith('-'):
    key, _, value = rest.pop(0).partition('=')
    if key == '-p':
        key, value = '--partition', rest.pop(0)
    if key not in ('--partition', '--job-name', '--gres', '--ntasks',
                   '--ntasks-per-node', '--cpus-per-task', '--time',
                   '--kill-on-bad-exit'):
        sys.exit('srun: unrecognized option ' + key)
    given[key] = value
each = int(given['--ntasks-per-node'])
count = int(given.get('--ntasks', each * int(
    os.environ.get('SLURM_NNODES', 1))))
print(sorted(given.items()), flush=True)
tasks = [subprocess.Popen(rest, env=dict(
    os.environ, SLURM_PROCID=str(n), SLURM_NTASKS=str(count),
    SLURM_LOCALID=str(n % each), SLURM_NODEID=str(n // each),
    SLURM_NNODES=str(-(-count // each)), SLURM_NODELIST='node[1-2]',
    NODE=str(n // each))) for n in range(count)]
sys.exit(max(task.wait() for task in tasks))
"""
SCONTROL = """#!/bin/sh
[ "$*" = 'show hostname node[1-2]' ] || exit 1
echo 127.0.0.1
echo second-node
"""


def free_port():
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return str(server.getsockname()[1])


@pytest.fixture
def checkout(tmp_path):
    """The shell scripts around another tool, and a SLURM of its own."""
    tools = tmp_path / 'tools'
    tools.mkdir()
    for script in ROOT.glob('tools/*.sh'):
        (tools / script.name).write_text(script.read_text())
    for name in ('train.py', 'test.py'):
        (tools / name).write_text(TOOL)
    (tmp_path / 'bin').mkdir()
    for name, text in (('srun', SRUN), ('scontrol', SCONTROL)):
        program = tmp_path / 'bin' / name
        program.write_text(text.replace('{python}', sys.executable))
        program.chmod(0o755)
    return tmp_path


def start(checkout, *command, **variables):
    env = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith('SLURM_')
        and key not in ('MASTER_ADDR', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK')
    }
    env.update(
        PYTHON=sys.executable,
        PYTHONPATH=str(ROOT),
        OMP_NUM_THREADS='1',
        PATH=f'{checkout / "bin"}:{env["PATH"]}',
        **variables,
    )
    return subprocess.Popen(
        ['bash', *command],
        cwd=checkout,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(*processes):
    """Wait for processes; give what they wrote."""
    try:
        texts = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, text in zip(processes, texts, strict=True):
        assert process.returncode == 0, text[-2000:]
    return texts


def check_ranks(checkout, world, local, nodes=None):
    """All ranks are there, and reached each other."""
    found = [
        json.loads((checkout / f'rank_{rank}.json').read_text())
        for rank in range(world)
    ]
    assert len(list(checkout.glob('rank_*.json'))) == world
    for one in found:
        assert one['world'] == world
        assert one['total'] == sum(10**rank for rank in range(world))
    assert [int(one['local']) for one in found] == local
    if nodes is not None:
        assert [one['node'] for one in found] == nodes
    return [one['arguments'] for one in found]


def test_two_machines_by_their_numbers(checkout):
    shared = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=free_port())
    finish(
        *(
            start(
                checkout,
                'tools/dist_train.sh',
                'config.py',
                '1',
                '--seed',
                '3',
                NODE_RANK=str(node),
                NODE=str(node),
                **shared,
            )
            for node in (1, 0)
        )
    )
    arguments = check_ranks(checkout, 2, [0, 0], ['0', '1'])
    assert (
        arguments
        == [['config.py', '--seed', '3', '--launcher', 'pytorch']] * 2
    )


def test_two_machines_that_meet(checkout):
    """Neither has a number; what may start again also resumes."""
    shared = dict(
        NNODES='2', MAX_RESTARTS='1', RDZV_ENDPOINT=f'127.0.0.1:{free_port()}'
    )
    finish(
        *(
            start(checkout, 'tools/dist_train.sh', 'config.py', '1', **shared)
            for _ in range(2)
        )
    )
    arguments = check_ranks(checkout, 2, [0, 0])
    assert (
        arguments
        == [['config.py', '--resume', 'auto', '--launcher', 'pytorch']] * 2
    )


def test_slurm_starts_every_process(checkout):
    (text,) = finish(
        start(
            checkout,
            'tools/slurm_train.sh',
            'part',
            'name',
            'config.py',
            'out',
            '--seed',
            '3',
            GPUS='4',
            GPUS_PER_NODE='2',
            CPUS_PER_TASK='3',
            SRUN_ARGS='--time=1',
            PORT=free_port(),
        )
    )
    arguments = check_ranks(checkout, 4, [0, 1, 0, 1], ['0', '0', '1', '1'])
    assert (
        arguments
        == [
            [
                'config.py',
                '--work-dir',
                'out',
                '--seed',
                '3',
                '--launcher',
                'slurm',
            ]
        ]
        * 4
    )
    assert (
        str(
            sorted(
                {
                    '--partition': 'part',
                    '--job-name': 'name',
                    '--gres': 'gpu:2',
                    '--ntasks': '4',
                    '--ntasks-per-node': '2',
                    '--cpus-per-task': '3',
                    '--kill-on-bad-exit': '1',
                    '--time': '1',
                }.items()
            )
        )
        in text
    )


def test_slurm_tests_on_one_process_unless_told(checkout):
    finish(
        start(
            checkout,
            'tools/slurm_test.sh',
            'part',
            'name',
            'config.py',
            'a.pth',
            PORT=free_port(),
        )
    )
    assert check_ranks(checkout, 1, [0], ['0']) == [
        ['config.py', 'a.pth', '--launcher', 'slurm']
    ]


def test_slurm_reports_a_failure(checkout):
    (checkout / 'tools/train.py').write_text('raise SystemExit(3)\n')
    process = start(
        checkout,
        'tools/slurm_train.sh',
        'part',
        'name',
        'config.py',
        'out',
        GPUS='2',
    )
    process.communicate(timeout=60)
    assert process.returncode == 3


def test_torchrun_in_a_job_as_documented(checkout):
    """The lines of docs/scaling.md, with a smaller machine."""
    text = (ROOT / 'docs/scaling.md').read_text()
    (lines,) = re.findall(
        r'Inside a SLURM job that torchrun.*?```bash\n(.*?)```', text, re.S
    )
    assert 'CONFIG 8' in lines and ':29500' in lines
    lines = lines.replace('CONFIG 8', 'config.py 1').replace(
        ':29500', f':{free_port()}'
    )
    job = checkout / 'job.sh'
    job.write_text(f'set -e\n{lines}')
    finish(
        start(
            checkout,
            str(job),
            SLURM_NNODES='2',
            SLURM_JOB_ID='77',
            SLURM_NODELIST='node[1-2]',
        )
    )
    arguments = check_ranks(checkout, 2, [0, 0])
    assert arguments[0] == [
        'config.py',
        '--resume',
        'auto',
        '--launcher',
        'pytorch',
    ]

"""Two processes, one of which sees the NaN: one verdict, two equal ends."""

import json
import multiprocessing as mp
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from forked_ranks import run_ranks
from torch.distributed.elastic.utils.distributed import get_free_port

from mmgl.apis.training import run_training
from mmgl.engine.hooks.divergence import RESTARTS_VARIABLE, _over_ranks
from mmgl.utils.paths import tool_dir

HERE = Path(__file__).parent
# Judged in the first step, before the gradient takes the NaN to all ranks.
OPTIONS = [
    '--launcher',
    'pytorch',
    '--cfg-options',
    'custom_hooks.2.interval=1',
]
VERDICT = 'non-finite loss: loss, loss_toy'


def _train(arguments, variables, log):
    os.environ.update(variables)
    torch.set_num_threads(1)
    with open(log, 'w') as sys.stdout:
        sys.stderr = sys.stdout
        run_training(arguments)


def train_on_two(config, work_dir, *restarts, **variables):
    """Train as torchrun would start it; exit codes and output by rank."""
    variables.update(
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(get_free_port()),
        TOY_STEPS=f'{work_dir}_steps',
    )
    arguments = [config, '--work-dir', str(work_dir), *OPTIONS]
    logs = [Path(f'{work_dir}_{rank}.log') for rank in (0, 1)]
    processes = [
        mp.get_context('fork').Process(
            target=_train,
            args=(
                arguments,
                {
                    **variables,
                    'RANK': str(rank),
                    'LOCAL_RANK': str(rank),
                    RESTARTS_VARIABLE: str(restarts[rank]),
                },
                logs[rank],
            ),
        )
        for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    return (
        [process.exitcode for process in processes],
        [log.read_text() for log in logs],
    )


def steps(work_dir):
    return sorted(Path(f'{work_dir}_steps').read_text().split())


def test_a_nan_on_one_rank_ends_both(toy_config, tmp_path):
    config, work_dir = toy_config(), tmp_path / 'run'
    codes, shown = train_on_two(config, work_dir, 0, 0, TOY_NAN_RANK='1')
    assert codes == [3, 3], shown
    (found,) = tmp_path.rglob('diverged.json')
    content = json.loads(found.read_text())
    assert content['verdict'] == VERDICT and content['iteration'] == 1
    assert content['terms'] == {'loss': 'nan', 'loss_toy': 'nan'}
    # The first rank speaks for both.
    assert f'training diverged, {VERDICT} at iteration 1' in shown[0]
    assert 'diverged' not in shown[1]
    assert steps(work_dir) == ['0', '1']
    # A restart by torchrun, which not every machine need have counted, stops
    # before a step, although nothing is wrong with the losses now.
    codes, shown = train_on_two(config, work_dir, 0, 1)
    assert codes == [3, 3], shown
    assert f'before this restart, {VERDICT}' in shown[0]
    assert steps(work_dir) == ['0', '1']
    assert json.loads(found.read_text()) == content


ROWS = [
    {'both': 1.0, 'loss': float('nan'), 'far': -7.0},
    {'both': 4.0, 'loss': 3.0, 'own': float('inf'), 'far': 2.0},
    {'both': -4.5, 'loss': float('inf'), 'far': 0.0},
]
ENDS = [{'x': float('inf')}, {'x': float('-inf')}, {'x': 1.0}]


def _reduced(rank):
    return [
        [(name, repr(value)) for name, value in part.items()]
        for rows in (ROWS, ENDS)
        for part in _over_ranks(rows[rank])
    ]


def test_ranks_judge_the_same_numbers(tmp_path):
    """Whatever is missing or infinite where."""
    first, *others = run_ranks(tmp_path, _reduced, world=3)
    assert others == [first, first]
    worst, mean, ends, middle = map(dict, first)
    assert worst['loss'] in ('nan', 'inf') and mean['loss'] == 'nan'
    assert worst['both'] == '-4.5' and float(mean['both']) == pytest.approx(
        0.5 / 3
    )
    assert worst['own'] == mean['own'] == 'inf'
    assert worst['far'] == '-7.0' and float(mean['far']) == pytest.approx(
        -5 / 3
    )
    assert ends['x'] in ('inf', '-inf') and middle['x'] == 'nan'


@pytest.mark.slow
def test_torchrun_does_not_repeat_the_run(toy_config, tmp_path):
    """Its restart ends before a step; slow: four interpreters start."""
    path = os.pathsep.join([str(tool_dir().parent), str(HERE.parent)])
    done = subprocess.run(
        [
            'bash',
            tool_dir() / 'dist_train.sh',
            toy_config(),
            '2',
            '--work-dir',
            'run',
            *OPTIONS[2:],
        ],
        env=dict(
            os.environ,
            TOY_NAN_RANK='1',
            TOY_STEPS='steps',
            MAX_RESTARTS='1',
            PORT=str(get_free_port()),
            PYTHON=sys.executable,
            PYTHONPATH=path,
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    # torchrun's own code; it has started each worker twice.
    assert done.returncode == 1, done.stdout[-5000:]
    assert done.stdout.count(f'error: training diverged, {VERDICT}') == 1
    assert done.stdout.count('training diverged before this restart') == 1
    assert sorted((tmp_path / 'steps').read_text().split()) == ['0', '1']
    assert len(list(tmp_path.rglob('diverged.json'))) == 1

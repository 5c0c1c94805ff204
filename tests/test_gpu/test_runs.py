"""Whole runs of the tools on a GPU: same bits, alone or by torchrun."""

import os
import subprocess
import sys

import pytest
import torch
from running import (
    FINETUNE,
    PRETRAIN,
    cfg_options,
    config,
    differences,
    environment,
    finetune_options,
    free_port,
    load,
    pretrain_options,
)

from mmgl.utils.paths import tool_dir

SECONDS = 240
LEAVES = {
    'mmgl': (PRETRAIN, pretrain_options),
    'agw': (FINETUNE, finetune_options),
}
# Arguments of torchrun's script.
WAYS = {'one': (), 'two': (), 'ranks': ('1',)}


def start(folder, leaf, options, device, launcher=()):
    """Start a short deterministic training, by torchrun if asked to."""
    folder.mkdir()
    tools = tool_dir()
    command = [sys.executable, str(tools / 'train.py'), config(leaf)]
    if launcher:
        command = [
            'bash',
            str(tools / 'dist_train.sh'),
            config(leaf),
            *launcher,
        ]
    visible = os.environ.get('CUDA_VISIBLE_DEVICES', '0')
    with (folder / 'log').open('w') as log:
        return subprocess.Popen(
            [
                *command,
                '--work-dir',
                str(folder),
                '--no-validate',
                *cfg_options(options),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment(
                PORT=free_port(),
                CUDA_VISIBLE_DEVICES=('' if device == 'cpu' else visible),
            ),
        )


def checkpoint(folder, process):
    assert process.wait(SECONDS) == 0, (folder / 'log').read_text()[-5000:]
    return load(folder / 'epoch_1.pth')


@pytest.fixture(scope='module')
def started(device, tiny_sysu, tmp_path_factory):
    """Of each method two runs alone and one by torchrun, side by side."""
    root, found = tmp_path_factory.mktemp('runs'), {}
    methods = list(LEAVES) if device == 'cuda' else ['mmgl']
    try:
        for method in methods:
            leaf, options = LEAVES[method]
            options = options(tiny_sysu, iters=3) | {
                'randomness.deterministic': True
            }
            for way in WAYS:
                folder = root / f'{method}_{way}'
                found[method, way] = (
                    folder,
                    start(folder, leaf, options, device, WAYS[way]),
                )
        yield found
    finally:
        for _, process in found.values():
            process.kill()


@pytest.fixture(scope='module', params=LEAVES)
def runs(request, started):
    """Checkpoints of a method."""
    if (request.param, 'one') not in started:
        pytest.skip('the rehearsal takes one method')
    return {way: checkpoint(*started[request.param, way]) for way in WAYS}


def test_two_runs_give_the_same_bits(runs):
    for part in ('state_dict', 'optimizer'):
        assert differences(runs['one'][part], runs['two'][part]) == []
    weights = runs['one']['state_dict']
    assert all(value.isfinite().all() for value in weights.values())


def test_torchrun_gives_the_same_weights(runs):
    one, ranks = (runs[name]['state_dict'] for name in ('one', 'ranks'))
    assert set(one) == set(ranks)
    for key, value in one.items():
        assert torch.allclose(
            value.double(), ranks[key].double(), rtol=1e-4, atol=1e-6
        ), key

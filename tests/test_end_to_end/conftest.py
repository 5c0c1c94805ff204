"""Runs that several tests start from; each is made once.

By the functions of the tools: programs would import everything anew.
"""

import pytest
from running import (
    FINETUNE,
    PRETRAIN,
    Trained,
    cfg_options,
    config,
    finetune_options,
    pretrain_options,
)
from shared import made_once

from mmgl.apis.training import run_training


@pytest.fixture(scope='session')
def pretrained(tiny_sysu, tmp_path_factory):
    """Two short epochs of pre-training."""
    options = pretrain_options(tiny_sysu, epochs=2)

    def make(folder):
        where = ['--work-dir', str(folder)]
        run_training([config(PRETRAIN), *where, *cfg_options(options)])

    work_dir = made_once(tmp_path_factory, 'pretrained', make)
    return Trained(work_dir, work_dir / 'epoch_2.pth', options)


@pytest.fixture(scope='session')
def finetuned(tiny_sysu, pretrained, tmp_path_factory):
    """One short epoch of fine-tuning from the pre-trained weights."""
    options = finetune_options(tiny_sysu, epochs=1)
    start = ['--init', 'mmgl', '--init-checkpoint', pretrained.checkpoint]

    def make(folder):
        given = map(str, [*start, '--work-dir', folder])
        run_training([config(FINETUNE), *given, *cfg_options(options)])

    work_dir = made_once(tmp_path_factory, 'finetuned', make)
    return Trained(work_dir, work_dir / 'epoch_1.pth', options)

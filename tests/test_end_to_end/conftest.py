"""Runs that several tests start from; each is made once."""

import pytest
from running import (
    FINETUNE,
    PRETRAIN,
    Trained,
    cfg_options,
    config,
    finetune_options,
    pretrain_options,
    succeed,
)


@pytest.fixture(scope='session')
def pretrained(tiny_sysu, tmp_path_factory):
    """Two short epochs of pre-training through tools/train.py."""
    work_dir = tmp_path_factory.mktemp('pretrained')
    options = pretrain_options(tiny_sysu, epochs=2)
    succeed(
        'train.py',
        config(PRETRAIN),
        '--work-dir',
        work_dir,
        *cfg_options(options),
        cwd=work_dir,
    )
    return Trained(work_dir, work_dir / 'epoch_2.pth', options)


@pytest.fixture(scope='session')
def finetuned(tiny_sysu, pretrained, tmp_path_factory):
    """One short epoch of fine-tuning from the pre-trained weights."""
    work_dir = tmp_path_factory.mktemp('finetuned')
    options = finetune_options(tiny_sysu, epochs=1)
    succeed(
        'train.py',
        config(FINETUNE),
        '--work-dir',
        work_dir,
        '--init',
        'mmgl',
        '--init-checkpoint',
        pretrained.checkpoint,
        *cfg_options(options),
        cwd=work_dir,
    )
    return Trained(work_dir, work_dir / 'epoch_1.pth', options)

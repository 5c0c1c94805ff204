"""A run killed in the middle of an epoch and resumed ends in the same bits.

Three programs of some seconds each. The slow tests do the same for
fine-tuning and with the other number of data loader workers.
"""

import functools

import pytest
from running import (
    FINETUNE,
    PRETRAIN,
    cfg_options,
    config,
    differences,
    finetune_options,
    kill_at,
    load,
    pretrain_options,
    succeed,
)

EPOCHS, ITERS = 3, 6
JOBS = dict(
    pretrain=(PRETRAIN, pretrain_options),
    finetune=(FINETUNE, finetune_options),
)


def arguments(job, root, work_dir, workers, extra=()):
    leaf, options = JOBS[job]
    chosen = options(root, EPOCHS, workers, ITERS)
    chosen.update(extra)
    return [
        config(leaf),
        '--work-dir',
        work_dir,
        '--seed',
        3,
        '--resume',
        'auto',
        *cfg_options(chosen),
    ]


@pytest.fixture(scope='module')
def uninterrupted(tiny_sysu, tmp_path_factory):
    """Last checkpoint of a run that nothing happened to, made once a job."""

    @functools.cache
    def run(job):
        work_dir = tmp_path_factory.mktemp(f'{job}_through')
        succeed(
            'train.py', *arguments(job, tiny_sysu, work_dir, 0), cwd=work_dir
        )
        return load(work_dir / f'epoch_{EPOCHS}.pth')

    return run


def interrupt(job, root, work_dir, workers, extra=()):
    """Kill in the third of six iterations of epoch 2, then resume."""
    given = arguments(job, root, work_dir, workers, extra)
    kill_at(
        rf'Epoch\(train\)\s+\[2\]\[\s*3/{ITERS}\]',
        'train.py',
        *given,
        cwd=work_dir,
    )
    assert (work_dir / 'epoch_1.pth').is_file()
    assert not (work_dir / 'epoch_2.pth').exists(), 'not killed in epoch 2'
    log = succeed('train.py', *given, cwd=work_dir)
    assert 'resumed epoch: 1, iter: 6' in log
    assert 'Epoch(train) [1]' not in log.replace('  ', ' ')
    return load(work_dir / f'epoch_{EPOCHS}.pth')


def check_same_bits(one, other):
    assert differences(one['state_dict'], other['state_dict']) == []
    assert differences(one['optimizer'], other['optimizer']) == []
    assert one['meta']['iter'] == other['meta']['iter'] == EPOCHS * ITERS


def test_pretraining_killed_with_two_workers(
    tiny_sysu, uninterrupted, tmp_path
):
    """Against a run without workers: their number must not matter either."""
    resumed = interrupt('pretrain', tiny_sysu, tmp_path, workers=2)
    check_same_bits(resumed, uninterrupted('pretrain'))


@pytest.mark.slow
@pytest.mark.parametrize(
    'job, workers', [('pretrain', 0), ('finetune', 0), ('finetune', 2)]
)
def test_killed_and_resumed(job, workers, tiny_sysu, uninterrupted, tmp_path):
    resumed = interrupt(job, tiny_sysu, tmp_path, workers)
    check_same_bits(resumed, uninterrupted(job))


@pytest.mark.slow
def test_comparison_sees_missing_seeds(tiny_sysu, uninterrupted, tmp_path):
    """Without IterationSeedHook the resumed run takes other Gumbel noise."""
    extra = {'custom_hooks.0.enabled': False}
    resumed = interrupt('pretrain', tiny_sysu, tmp_path, 0, extra)
    assert differences(
        resumed['state_dict'], uninterrupted('pretrain')['state_dict']
    )

"""Two and three processes with gloo, started by the shell scripts.

Slow: a dozen interpreters have to import torch and the package.
"""

import pytest
from running import (
    FINETUNE,
    PRETRAIN,
    cfg_options,
    config,
    finetune_options,
    free_port,
    load,
    pretrain_options,
    succeed,
)

from mmgl.evaluation.documents import read_report

pytestmark = pytest.mark.slow


def train(leaf, options, work_dir, processes=2):
    work_dir.mkdir()
    log = succeed(
        'dist_train.sh',
        config(leaf),
        processes,
        '--work-dir',
        work_dir,
        *cfg_options(options),
        cwd=work_dir,
        PORT=free_port(),
    )
    return log, work_dir / 'epoch_1.pth'


def metrics(leaf, checkpoint, options, work_dir, processes):
    """Test on one process, or on several by the script."""
    out = work_dir / f'metrics_{processes}.json'
    # tools/test.py takes the validation set of a pre-training for its test.
    options = {
        key.replace('val_dataloader', 'test_dataloader'): value
        for key, value in options.items()
    }
    arguments = ['--work-dir', work_dir, '--out', out, *cfg_options(options)]
    if processes == 1:
        succeed('test.py', config(leaf), checkpoint, *arguments, cwd=work_dir)
    else:
        succeed(
            'dist_test.sh',
            config(leaf),
            checkpoint,
            processes,
            *arguments,
            cwd=work_dir,
            PORT=free_port(),
        )
    return read_report(out)[0]


@pytest.mark.parametrize(
    'leaf, options',
    [(FINETUNE, finetune_options), (PRETRAIN, pretrain_options)],
)
def test_train_on_two_and_test_on_any_number(
    leaf, options, tiny_sysu, tmp_path
):
    # Per process; the data set has 12 identities for 2 x 4.
    chosen = options(tiny_sysu, iters=4)
    log, checkpoint = train(leaf, chosen, tmp_path / 'train')
    # Four steps of each process, or four of both together over all pairs.
    assert load(checkpoint)['meta']['iter'] == (4 if leaf == FINETUNE else 2)
    # Only the first process writes to the log.
    assert log.count('Saving checkpoint at 1 epochs') == 1
    one = metrics(leaf, checkpoint, chosen, tmp_path, 1)
    # 310 and 74 images do not divide by 3: some are seen twice.
    for processes in (2, 3):
        several = metrics(leaf, checkpoint, chosen, tmp_path, processes)
        assert several == pytest.approx(one, rel=1e-6, abs=1e-6)

import io
import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmgl.engine.hooks import (
    DatasetMetaHook,
    DivergenceHook,
    IterationSeedHook,
    LossRampHook,
    ProgressHook,
    read_verdict,
)
from mmgl.utils.errors import TrainingDivergedError
from mmgl.utils.progress import duration


def draw():
    return random.random(), np.random.rand(), torch.rand(2).tolist()


def runner_at(**values):
    return SimpleNamespace(**values)


def test_iteration_seed_depends_on_seed_and_iteration_only():
    hook = IterationSeedHook()
    hook.before_train_iter(runner_at(seed=3, iter=5), 0)
    first = draw()
    torch.rand(100)
    hook.before_train_iter(runner_at(seed=3, iter=5), 4)
    assert draw() == first
    others = []
    for seed, iteration in ((3, 6), (4, 5)):
        hook.before_train_iter(runner_at(seed=seed, iter=iteration), 0)
        others.append(draw())
    hook.before_train_epoch(runner_at(seed=3, epoch=5))
    others.append(draw())
    for other in others:
        assert all(a != b for a, b in zip(other, first, strict=True))


def test_iteration_seed_can_be_disabled():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    hook = IterationSeedHook(enabled=False)
    hook.before_train_iter(runner_at(seed=0, iter=0), 0)
    hook.before_train_epoch(runner_at(seed=0, epoch=0))
    assert torch.equal(torch.get_rng_state(), state)


def test_dataset_meta_is_written():
    metainfo = dict(
        dataset='regdb', trial=4, num_pids=206, split='train', rand_perm_cam={}
    )
    dataset = SimpleNamespace(metainfo=metainfo)
    runner = runner_at(train_dataloader=SimpleNamespace(dataset=dataset))
    checkpoint = dict(meta=dict(epoch=1))
    DatasetMetaHook().before_save_checkpoint(runner, checkpoint)
    assert checkpoint['meta'] == dict(
        epoch=1,
        trained_on=dict(dataset='regdb', split='train', trial=4, num_pids=206),
    )


def losses(value):
    return dict(
        loss=torch.tensor(value),
        loss_id=torch.tensor(1.5),
        accuracy=float('nan'),
    )


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('batch_idx', [4, 7])
def test_divergence_is_reported(value, batch_idx, tmp_path):
    # Batch 4 is the fifth, batch 7 the last one.
    runner = runner_at(
        train_dataloader=range(8), iter=20, epoch=2, work_dir=tmp_path
    )
    for epoch in (1, 2, 3):
        (tmp_path / f'epoch_{epoch}.pth').write_text(f'weights {epoch}')
    with pytest.raises(TrainingDivergedError) as caught:
        DivergenceHook(5).after_train_iter(
            runner, batch_idx, outputs=losses(value)
        )
    for part in (
        'iteration 21',
        'epoch 3',
        'non-finite loss: loss at',
        'loss_id=1.5',
        'last_good.pth',
    ):
        assert part in str(caught.value)
    assert 'accuracy' not in str(caught.value)
    assert read_verdict(tmp_path) == 'non-finite loss: loss'
    # Two epochs were complete; a third file cannot be of this run.
    assert (tmp_path / 'last_good.pth').read_text() == 'weights 2'
    DivergenceHook().before_train(runner)
    assert read_verdict(tmp_path) is None


def feed(hook, tmp_path, rows):
    """Give a hook one row of outputs a check, an epoch every two rows."""
    for number, row in enumerate(rows):
        runner = runner_at(
            train_dataloader=range(2),
            iter=number,
            epoch=number // 2,
            work_dir=tmp_path,
        )
        hook.after_train_iter(runner, number % 2, outputs=row)


def test_divergence_check_skips_iterations_and_healthy_losses(tmp_path):
    hook = DivergenceHook(5)
    runner = runner_at(
        train_dataloader=range(8), iter=20, epoch=2, work_dir=tmp_path
    )
    hook.after_train_iter(runner, 3, outputs=losses(float('nan')))
    hook.after_train_iter(runner, 4, outputs=losses(2.0))
    # Moving losses, a triplet loss at rest and a wide spread are fine.
    for rest in (0.0, 88.0):
        feed(
            DivergenceHook(1, window=3),
            tmp_path,
            [
                {
                    'loss': rest + 2 + 1e-2 * i,
                    'id/loss': 2 + 1e-2 * i,
                    'triplet/loss': rest,
                    'triplet/spread': 0.1,
                }
                for i in range(9)
            ],
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'rows, verdict',
    [
        ([{'id/loss': 3e5}], 'exploding loss: id/loss above'),
        (
            [{'loss': 90.0, 'triplet/loss': 88.0, 'id/loss': 2.0}] * 6,
            'constant loss at 90',
        ),
        (
            [{'id/loss': float(i), 'triplet/spread': 1e-9} for i in range(6)],
            'collapsed features: triplet/spread',
        ),
    ],
)
def test_divergence_verdicts(rows, verdict, tmp_path):
    (tmp_path / 'epoch_1.pth').write_text('weights 1')
    with pytest.raises(TrainingDivergedError, match=verdict):
        feed(DivergenceHook(1, window=4), tmp_path, rows)
    assert read_verdict(tmp_path).startswith(verdict)
    # The window of four checks began in the first epoch: nothing is good.
    assert not (tmp_path / 'last_good.pth').exists()


@pytest.mark.parametrize(
    'bad',
    [dict(interval=0), dict(window=1), dict(max_loss=0), dict(min_spread=-1)],
)
def test_divergence_hook_refuses_bad_settings(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        DivergenceHook(**bad)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def progress_runner(iteration):
    return runner_at(
        iter=iteration,
        max_iters=100,
        epoch=iteration // 20,
        max_epochs=5,
        val_dataloader=range(4),
        test_dataloader=range(10),
    )


@pytest.mark.filterwarnings('error')
def test_progress_lines_in_a_log():
    stream, clock = io.StringIO(), Clock()
    hook = ProgressHook('run', interval=30, stream=stream, clock=clock)
    # Resumed at iteration 40: two seconds for each iteration since.
    hook.before_train(progress_runner(40))
    for iteration in range(40, 60):
        clock.now += 2
        hook.after_train_iter(
            progress_runner(iteration),
            0,
            outputs=dict(loss=torch.tensor(1.25, requires_grad=True)),
        )
    lines = stream.getvalue().splitlines()
    assert lines == ['run  55% | epoch 3/5, loss 1.250 | 1:30 left']


def test_progress_on_a_terminal_ends_complete():
    stream, clock = Terminal(), Clock()
    hook = ProgressHook('run', stream=stream, clock=clock)
    hook.before_train(progress_runner(98))
    clock.now += 10
    hook.after_train_iter(progress_runner(98), 0)
    hook.after_train_iter(progress_runner(99), 1)
    hook.after_run(None)
    shown = stream.getvalue().replace('\033[K', '').split('\r')[1:]
    assert shown == [
        'run  99% | epoch 5/5 | 0:10 left',
        'run 100% | epoch 5/5 | 0:00 left\n',
    ]


def test_progress_file(tmp_path, monkeypatch):
    path = tmp_path / 'progress.json'
    monkeypatch.setenv('MMGL_PROGRESS_FILE', str(path))
    clock = Clock()
    hook = ProgressHook(stream=io.StringIO(), clock=clock)

    def saved():
        return json.loads(path.read_text())

    hook.before_train(progress_runner(0))
    clock.now += 1
    hook.after_train_iter(progress_runner(9), 9)
    assert saved() == dict(done=10, total=100, text='epoch 1/5')
    clock.now += 1
    hook.after_val_iter(progress_runner(20), 1)
    assert saved() == dict(done=20, total=100, text='validating, batch 2/4')
    hook.before_test(progress_runner(0))
    hook.after_test_iter(progress_runner(0), 9)
    assert saved() == dict(done=10, total=10, text='test batch 10/10')
    assert [p.name for p in tmp_path.iterdir()] == ['progress.json']


def test_progress_file_that_cannot_be_written_stops_nothing(
    tmp_path, monkeypatch
):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MMGL_PROGRESS_FILE', str(tmp_path / 'file' / 'p.json'))
    stream, clock = io.StringIO(), Clock()
    hook = ProgressHook('run', stream=stream, clock=clock)
    hook.before_train(progress_runner(98))
    hook.after_train_iter(progress_runner(99), 1)
    assert stream.getvalue() == 'run 100% | epoch 5/5 | 0:00 left\n'


@pytest.mark.parametrize(
    'seconds, text',
    [
        (0.4, '0:00'),
        (59.4, '0:59'),
        (59.6, '1:00'),
        (3600, '1:00:00'),
        (3725, '1:02:05'),
        (-3, '0:00'),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def ramp_model():
    loss = torch.nn.Module()
    loss.register_buffer('ramp', torch.ones(()))
    model = torch.nn.Module()
    model.add_module('part_head', torch.nn.Module())
    model.part_head.add_module('contrast', loss)
    return model, loss


def test_loss_ramp_depends_on_the_iteration_alone():
    model, loss = ramp_model()
    hook = LossRampHook('part_head.contrast', begin=1, end=3)
    runner = runner_at(model=model, iter=0, train_dataloader=range(10))
    hook.before_train(runner)
    for iteration, expected in (
        (0, 0),
        (10, 0),
        (15, 0.25),
        (20, 0.5),
        (30, 1),
        (99, 1),
    ):
        runner.iter = iteration
        hook.before_train_iter(runner, 0)
        assert loss.ramp.item() == pytest.approx(expected)


def test_loss_ramp_names_a_missing_loss():
    model, _ = ramp_model()
    with pytest.raises(ValueError, match='part_head.other'):
        LossRampHook('part_head.other', end=1).before_train(
            runner_at(model=model)
        )
    with pytest.raises(ValueError, match='begin'):
        LossRampHook('part_head.contrast', end=1, begin=2)

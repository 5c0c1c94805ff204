from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.logging import MessageHub

from mmgl.engine.hooks import DeferredRuntimeInfoHook

LENGTH = 7  # iterations of an epoch


def outputs_of(iteration):
    value = torch.tensor(float(iteration) / 3, requires_grad=True)
    return dict(loss=value * 2, part=value[None] * 3, number=iteration)


class Loader(list):
    """As long as an epoch."""

    dataset = SimpleNamespace(metainfo={})


def runner_of(name):
    return SimpleNamespace(
        message_hub=MessageHub.get_instance(name),
        epoch=0,
        iter=0,
        max_epochs=1,
        max_iters=LENGTH,
        hooks=[LoggerHook(interval=3)],
        train_dataloader=Loader(range(LENGTH)),
    )


def train(hook, name):
    """An epoch; returns the runner and the log after each iteration."""
    runner = runner_of(name)
    hook.before_train(runner)
    lengths = []
    for batch_idx in range(LENGTH):
        hook.after_train_iter(runner, batch_idx, outputs=outputs_of(batch_idx))
        log = runner.message_hub.log_scalars.get('train/loss')
        lengths.append(0 if log is None else len(log.data[0]))
    return runner, lengths


def test_log_is_that_of_mmengine():
    expected, _ = train(RuntimeInfoHook(), 'plain log')
    runner, _ = train(DeferredRuntimeInfoHook(), 'deferred log')
    log = runner.message_hub.log_scalars
    assert set(log) == {'train/loss', 'train/part', 'train/number'}
    for name, history in expected.message_hub.log_scalars.items():
        for own, other in zip(log[name].data, history.data, strict=True):
            assert own.tolist() == other.tolist(), name


def test_values_are_read_for_the_log_only():
    _, lengths = train(DeferredRuntimeInfoHook(), 'when read')
    # After the third and the sixth iteration, and at the end of the epoch.
    assert lengths == [0, 0, 3, 3, 3, 6, 7]


def test_every_step_is_one_copy(monkeypatch):
    calls = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, 'tolist', lambda x: calls.append(len(x)) or tolist(x)
    )
    monkeypatch.setattr(torch.Tensor, 'item', lambda x: pytest.fail('read'))
    train(DeferredRuntimeInfoHook(), 'one copy')
    assert calls == [6, 6, 2]


def test_checkpoint_has_the_whole_log():
    hook = DeferredRuntimeInfoHook()
    runner = runner_of('saved')
    hook.before_train(runner)
    for batch_idx in range(4):
        hook.after_train_iter(runner, batch_idx, outputs=outputs_of(batch_idx))
    checkpoint = dict(message_hub=runner.message_hub.state_dict())
    hook.before_save_checkpoint(runner, checkpoint)
    history = checkpoint['message_hub']['log_scalars']['train/loss']
    assert len(history.data[0]) == 4
    unsaved = dict(message_hub='as it was')
    hook.before_save_checkpoint(runner, unsaved)
    assert unsaved == dict(message_hub='as it was')

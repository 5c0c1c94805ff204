from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmgl.engine.hooks import ClassifierEmaHook
from mmgl.models.heads import ModalityClassifierHead


def make_runner(epoch=0, accumulative=1, max_iters=5):
    model = nn.Module()
    model.heads = nn.ModuleDict(dict(modality=ModalityClassifierHead(2, 3)))
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.1),
        accumulative_counts=accumulative,
    )
    wrapper.initialize_count_status(model, 0, max_iters)
    return SimpleNamespace(model=model, optim_wrapper=wrapper, epoch=epoch)


def train(runner, hook, iterations):
    """Returns the averages after every iteration."""
    hook.before_train(runner)
    head = runner.model.heads['modality']
    history = []
    for iteration in range(iterations):
        loss = sum((p**2).sum() for p in head.parameters())
        runner.optim_wrapper.update_params(loss)
        hook.after_train_iter(runner, iteration)
        history.append(head.visible_average.clone())
    return history


def test_rate_of_every_epoch():
    hook = ClassifierEmaHook()
    for epoch in range(1, 100):
        assert hook.rate_in_epoch(epoch) == 0.2
    assert hook.rate_in_epoch(100) == pytest.approx(20 / 101)
    assert hook.rate_in_epoch(140) == pytest.approx(20 / 141)


@pytest.mark.parametrize('epoch, rate', [(0, 0.2), (98, 0.2), (139, 20 / 141)])
def test_average_follows_the_formula(epoch, rate):
    runner = make_runner(epoch)
    weight = runner.model.heads['modality'].visible.weight
    old = weight.detach().clone()
    (average,) = train(runner, ClassifierEmaHook(), 1)
    torch.testing.assert_close(
        average, (1 - rate) * old + rate * weight.detach()
    )
    assert not torch.equal(average, old)


def test_one_update_an_optimizer_step():
    runner = make_runner(accumulative=2, max_iters=5)
    start = runner.model.heads['modality'].visible_average.clone()
    history = [start, *train(runner, ClassifierEmaHook(), 5)]
    moved = [
        not torch.equal(a, b)
        for a, b in zip(history, history[1:], strict=False)
    ]
    # Steps after iterations 2, 4 and the last.
    assert moved == [False, True, False, True, True]


def test_mistakes():
    with pytest.raises(ValueError, match=r'heads\.other'):
        ClassifierEmaHook('heads.other').before_train(make_runner())
    with pytest.raises(ValueError, match='has no head .heads.modality.visib'):
        ClassifierEmaHook('heads.modality.visible').before_train(make_runner())
    with pytest.raises(ValueError, match='rate'):
        ClassifierEmaHook(rate=0)
    with pytest.raises(ValueError, match='hold'):
        ClassifierEmaHook(hold=0)

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmgl.engine.hooks import SearchPhaseHook
from mmgl.models.functional.feature_search import PHASES
from mmgl.models.layers import FeatureSearchCell

ITERS = 10


class Net(nn.Module):
    """One cell between two layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 6, 1)
        self.cell = FeatureSearchCell(6, init_logit=1.0, loss_weight=10.0)
        self.last = nn.Linear(6, 2)

    def forward(self, x):
        modality = torch.arange(len(x)) % 2
        x = self.cell(self.first(x).relu(), modality).mean((2, 3))
        return self.last(x).square().mean()


def runner_of(model, lr=0.05):
    groups = [
        dict(
            params=[p for n, p in model.named_parameters() if 'cell' not in n],
            weight_decay=0.1,
        ),
        dict(params=list(model.cell.parameters())),
    ]
    wrapper = SimpleNamespace(optimizer=torch.optim.Adam(groups, lr=lr))
    return SimpleNamespace(
        model=model,
        optim_wrapper=wrapper,
        iter=0,
        max_epochs=6,
        train_dataloader=range(ITERS),
    )


def train(hook, runner, stop):
    """Iterate as the Runner does, with the randomness of an iteration."""
    history = []
    hook.before_train(runner)
    while runner.iter < stop:
        hook.before_train_iter(runner, runner.iter % ITERS)
        torch.manual_seed(runner.iter)
        model, optimizer = runner.model, runner.optim_wrapper.optimizer
        loss = model(torch.randn(8, 3, 4, 3))
        loss = loss + model.cell.auxiliary_losses()['loss_selection']
        optimizer.zero_grad()
        loss.backward()
        before = [p.detach().clone() for p in model.cell.parameters()]
        weight = model.first.weight.detach().clone()
        optimizer.step()
        moved = [
            not torch.equal(old, new)
            for old, new in zip(before, model.cell.parameters(), strict=True)
        ]
        assert not torch.equal(weight, model.first.weight)
        history.append(
            (
                PHASES[int(model.cell.phase)],
                model.cell.temperature.item(),
                moved,
            )
        )
        runner.iter += 1
    hook.after_train(runner)
    return history


def test_phases_temperature_and_freezing():
    history = train(SearchPhaseHook(1, 4), runner_of(Net()), 6 * ITERS)
    for iteration, (phase, temperature, moved) in enumerate(history):
        epoch = iteration / ITERS
        want = 'warm-up' if epoch < 1 else 'search' if epoch < 4 else 'hard'
        assert phase == want
        done = min(max((epoch - 1) / 3, 0), 1)
        assert temperature == pytest.approx(0.1**done, rel=1e-5)
        # Adam would go on by momentum when the search has ended.
        assert all(moved) if phase == 'search' else not any(moved)


def test_schedule_is_a_function_of_the_time():
    hook = SearchPhaseHook(10, 70)
    assert hook.state_at(0) == ('warm-up', 1.0)
    assert hook.state_at(9.99)[0] == 'warm-up'
    assert hook.state_at(10) == ('search', 1.0)
    assert hook.state_at(40) == ('search', pytest.approx(10**-0.5))
    assert hook.state_at(69.99)[0] == 'search'
    assert hook.state_at(70) == ('hard', pytest.approx(0.1))
    assert hook.state_at(119) == ('hard', pytest.approx(0.1))


@pytest.mark.parametrize('stop', [5, 23, 45])
def test_resumed_run_is_the_uninterrupted_one(stop):
    whole = runner_of(Net())
    train(SearchPhaseHook(1, 4), whole, 5 * ITERS)
    first = runner_of(Net())
    train(SearchPhaseHook(1, 4), first, stop)
    second = runner_of(Net())
    second.model.load_state_dict(copy.deepcopy(first.model.state_dict()))
    second.optim_wrapper.optimizer.load_state_dict(
        copy.deepcopy(first.optim_wrapper.optimizer.state_dict())
    )
    second.iter = stop
    train(SearchPhaseHook(1, 4), second, 5 * ITERS)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value), name


def test_state_is_in_the_checkpoint():
    runner = runner_of(Net())
    train(SearchPhaseHook(1, 4), runner, 3 * ITERS)
    loaded = Net()
    loaded.load_state_dict(runner.model.state_dict())
    assert PHASES[int(loaded.cell.phase)] == 'search'
    assert loaded.cell.temperature == runner.model.cell.temperature


def test_hook_lets_go_of_the_optimizer():
    runner = runner_of(Net())
    hook = SearchPhaseHook(1, 4)
    train(hook, runner, ITERS)
    parameter = runner.model.cell.channel_logit
    parameter.grad = torch.ones_like(parameter)
    before = parameter.detach().clone()
    runner.optim_wrapper.optimizer.step()
    assert not torch.equal(parameter, before)


def test_a_search_too_long_is_told(capsys):
    runner = runner_of(Net())
    for end, told in ((5, False), (6, True)):
        hook = SearchPhaseHook(1, end)
        hook.before_train(runner)
        hook.after_train(runner)
        assert ('not reached' in capsys.readouterr().out) == told


def test_bad_settings():
    with pytest.raises(ValueError, match='warmup_end'):
        SearchPhaseHook(4, 4)
    with pytest.raises(ValueError, match='temperatures'):
        SearchPhaseHook(1, 4, end_temperature=0)
    runner = runner_of(Net())
    runner.model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match='no FeatureSearchCell'):
        SearchPhaseHook(1, 4).before_train(runner)

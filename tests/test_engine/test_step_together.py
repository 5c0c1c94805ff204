"""Steps over many groups of parameters at once."""

import copy
from importlib import import_module

import pytest
import torch
from torch import nn

from mmgl.engine.optim_wrappers import step_together

# torch hides the module behind the class.
SGD = import_module('torch.optim.sgd')
ORDERS = [torch.contiguous_format, torch.channels_last]
KINDS = [
    (torch.optim.SGD, dict(momentum=0.9, nesterov=True)),
    (torch.optim.SGD, dict(momentum=0.9, foreach=True)),
    (torch.optim.Adam, dict(betas=[0.9, 0.99])),
    (torch.optim.AdamW, dict(amsgrad=True)),
]


def a_group_each(parameters, kind, settings):
    """As mmengine builds an optimizer with paramwise_cfg."""
    groups = [
        dict(
            params=[one],
            param_name=f'layer{number}',
            lr=0.1 if number % 3 else 0.01,
            weight_decay=0.0 if number == 4 else 5e-4,
        )
        for number, one in enumerate(parameters)
    ]
    return kind(groups, lr=0.1, **settings)


@pytest.mark.parametrize(('kind', 'settings'), KINDS)
def test_steps_are_those_of_each_group(kind, settings):
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(3, n + 1)) for n in range(9)]
    others = copy.deepcopy(weights)
    apart = a_group_each(weights, kind, settings)
    optimizer = a_group_each(others, kind, settings)
    step_together(optimizer)
    counts = []
    optimizer.register_step_pre_hook(
        lambda self, *_: counts.append(len(self.param_groups))
    )
    groups = list(optimizer.param_groups)
    for number in range(4):
        for one, other in zip(weights, others, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        # The gradient of one is missing, as of a part that was not used.
        weights[number].grad = others[number].grad = None
        # Schedules change the rates in between.
        for group in (*apart.param_groups, *optimizer.param_groups):
            group['lr'] *= 0.7
        apart.step()
        optimizer.step()
        torch.testing.assert_close(others, weights, rtol=1e-6, atol=1e-7)
    assert counts == [3] * 4
    assert all(
        one is other
        for one, other in zip(groups, optimizer.param_groups, strict=True)
    )
    one, other = apart.state_dict(), optimizer.state_dict()
    assert one['param_groups'] == other['param_groups']
    assert one['state'].keys() == other['state'].keys()


@pytest.mark.parametrize('of_gradient', ORDERS)
@pytest.mark.parametrize('of_momentum', ORDERS)
def test_one_pass_mixes_nothing_up(of_gradient, of_momentum, monkeypatch):
    """In whatever order in memory weight, gradient and momentum are."""
    torch.manual_seed(0)
    weight = nn.Parameter(
        torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    )
    # A map of one place fits both orders, whatever its strides are.
    point = nn.Parameter(torch.randn(4, 3, 1, 1))
    expected = [nn.Parameter(one.detach().clone()) for one in (weight, point)]
    settings = dict(lr=0.1, momentum=0.9, weight_decay=5e-4)
    plain = torch.optim.SGD(expected, foreach=False, **settings)
    optimizer = torch.optim.SGD([weight, point], **settings)
    step_together(optimizer)
    passes = []
    fused = SGD._fused_sgd
    monkeypatch.setattr(
        SGD,
        '_fused_sgd',
        lambda *args, **kwargs: passes.append(fused(*args, **kwargs)),
    )
    for number in range(3):
        for one, other in zip((weight, point), expected, strict=True):
            other.grad = torch.randn_like(one)
            one.grad = other.grad.to(memory_format=of_gradient)
        plain.step()
        optimizer.step()
        torch.testing.assert_close([weight, point], expected)
        if number == 0:
            momentum = optimizer.state[weight]['momentum_buffer']
            optimizer.state[weight]['momentum_buffer'] = momentum.to(
                memory_format=of_momentum
            )
    alike = of_gradient == of_momentum == torch.channels_last
    # The first step makes the momentum.
    assert len(passes) == 2 * alike
    assert 'fused' not in {
        k for g in optimizer.param_groups for k in g if g[k]
    }


def test_a_choice_of_how_to_step_holds(monkeypatch):
    monkeypatch.setattr(SGD, '_fused_sgd', None)
    for settings in (dict(foreach=True), dict(fused=False)):
        weight = nn.Parameter(torch.ones(2))
        weight.grad = torch.ones(2)
        optimizer = torch.optim.SGD([weight], lr=0.1, **settings)
        step_together(optimizer)
        optimizer.step()
        torch.testing.assert_close(weight, torch.full((2,), 0.9))


def test_a_closure_comes_before_the_step():
    weights = [nn.Parameter(torch.ones(2)) for _ in range(2)]
    plain, other = (
        torch.optim.SGD([w], lr=0.1, momentum=0.9) for w in weights
    )
    step_together(other)
    for _ in range(3):
        for weight, optimizer in zip(weights, (plain, other), strict=True):

            def closure(weight=weight):
                weight.grad = weight.detach().clone()

            optimizer.step(closure)
        torch.testing.assert_close(*weights)


def test_a_sparse_gradient_steps_as_ever():
    table = nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    step_together(optimizer)
    table(torch.tensor([1])).sum().backward()
    optimizer.step()
    before[1] -= 0.1
    torch.testing.assert_close(table.weight, before)


def test_what_an_optimizer_counts_stays():
    class Counting(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                group['steps'] += 1

    weights = [nn.Parameter(torch.zeros(1)) for _ in range(4)]
    groups = [dict(params=[one], steps=7) for one in weights]
    optimizer = Counting(groups, lr=0.1)
    step_together(optimizer)
    optimizer.step()
    optimizer.step()
    assert [one['steps'] for one in optimizer.param_groups] == [9] * 4

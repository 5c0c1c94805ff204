"""Steps over many groups of parameters at once."""

import copy

import pytest
import torch
from torch import nn

from mmgl.engine.optim_wrappers import step_together

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
        assert all(a.equal(b) for a, b in zip(weights, others, strict=True))
    assert counts == [3] * 4
    assert all(
        one is other
        for one, other in zip(groups, optimizer.param_groups, strict=True)
    )
    one, other = apart.state_dict(), optimizer.state_dict()
    assert one['param_groups'] == other['param_groups']
    assert one['state'].keys() == other['state'].keys()


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

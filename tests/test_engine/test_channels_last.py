from types import SimpleNamespace

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import nn

from mmgl.engine.hooks import ChannelsLastHook
from mmgl.engine.hooks.channels_last import in_usual_order, keeps_channels_last
from mmgl.models.backbones import OneStreamResNet


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = OneStreamResNet(depth=18, base_channels=4)
        self.head = nn.Conv2d(32, 2, 3, padding=1)


def is_reordered(value):
    return value.is_contiguous(memory_format=torch.channels_last)


def build(reordered=False, checkpoint=None):
    """A model in fp64 and its optimizer, as they are when training starts."""
    model = Model().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    if checkpoint:
        saved = torch.load(checkpoint)
        model.load_state_dict(saved['model'])
        optimizer.load_state_dict(saved['optimizer'])
    if reordered:
        ChannelsLastHook().before_train(
            SimpleNamespace(model=model, optim_wrapper=OptimWrapper(optimizer))
        )
    return model, optimizer


def train_step(model, optimizer):
    torch.manual_seed(1)
    images = torch.rand(4, 3, 64, 32).double()
    maps = model.backbone(images, torch.zeros(4).long())
    optimizer.zero_grad()
    model.head(maps).square().sum().backward()
    optimizer.step()


def test_weights_and_what_the_optimizer_knows_of_them():
    torch.manual_seed(0)
    model, optimizer = build()
    train_step(model, optimizer)
    weights = [p.detach().clone() for p in model.parameters()]
    momenta = [
        optimizer.state[p]['momentum_buffer'].clone()
        for p in model.parameters()
    ]
    ChannelsLastHook().before_train(
        SimpleNamespace(model=model, optim_wrapper=OptimWrapper(optimizer))
    )
    for parameter, weight, momentum in zip(
        model.parameters(), weights, momenta, strict=True
    ):
        kept = optimizer.state[parameter]['momentum_buffer']
        assert torch.equal(parameter, weight) and torch.equal(kept, momentum)
        assert kept.stride() == parameter.stride()
    assert is_reordered(model.backbone.layer1[0].conv1.weight)
    # Heads stay as they are.
    assert model.head.weight.is_contiguous()


@pytest.mark.parametrize('first, second', [(True, False), (False, True)])
def test_checkpoints_are_interchangeable(first, second, tmp_path):
    """A step in one memory format, and the next one in the other."""
    start, path = tmp_path / 'start.pth', tmp_path / 'step.pth'

    def two_steps(first, second):
        model, optimizer = build(first, start)
        train_step(model, optimizer)
        torch.save(
            dict(model=model.state_dict(), optimizer=optimizer.state_dict()),
            path,
        )
        model, optimizer = build(second, path)
        assert is_reordered(model.backbone.layer1[0].conv1.weight) is second
        train_step(model, optimizer)
        return model.state_dict()

    torch.manual_seed(0)
    model, optimizer = build()
    torch.save(
        dict(model=model.state_dict(), optimizer=optimizer.state_dict()), start
    )
    plain, other = two_steps(False, False), two_steps(first, second)
    assert list(plain) == list(other)
    for name, value in plain.items():
        assert torch.allclose(value, other[name], rtol=1e-6, atol=1e-9), name


def test_random_numbers_do_not_depend_on_the_order():
    drawn = []
    for order in (torch.contiguous_format, torch.channels_last):
        model = Model().to(memory_format=order)
        storages = [weight.data_ptr() for weight in model.parameters()]
        torch.manual_seed(0)
        with in_usual_order(model):
            for weight in model.parameters():
                nn.init.normal_(weight)
        assert [p.data_ptr() for p in model.parameters()] == storages
        weight = model.backbone.layer1[0].conv1.weight
        assert weight.is_contiguous(memory_format=order)
        drawn.append([*model.parameters()])
    assert all(map(torch.equal, *drawn))


def test_a_model_that_is_wrapped_before_is_refused(tmp_path):
    """Its gradients would be mixed up without a word."""
    torch.distributed.init_process_group(
        'gloo', f'file://{tmp_path}/store', rank=0, world_size=1
    )
    try:
        model, optimizer = build()
        wrapped = MMDistributedDataParallel(model, device_ids=None)
        runner = SimpleNamespace(
            model=wrapped, optim_wrapper=OptimWrapper(optimizer)
        )
        with pytest.raises(ValueError, match='set runner_type'):
            ChannelsLastHook().before_train(runner)
        ChannelsLastHook().reorder(runner)
        ChannelsLastHook().before_train(runner)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    'config, wanted',
    [
        (dict(), False),
        (dict(default_hooks=None, custom_hooks=None), False),
        (dict(custom_hooks=[dict(type='IterationSeedHook')]), False),
        (dict(default_hooks=dict(a=dict(type='ChannelsLastHook'))), True),
        (dict(custom_hooks=[dict(type='mmgl.ChannelsLastHook')]), True),
        (dict(custom_hooks=[dict(type=ChannelsLastHook)]), True),
    ],
)
def test_what_a_config_wants(config, wanted):
    assert keeps_channels_last(config) == wanted


def test_a_model_without_backbone_is_refused():
    with pytest.raises(ValueError, match='ChannelsLastHook: the model has no'):
        ChannelsLastHook().before_train(SimpleNamespace(model=nn.Linear(1, 1)))

"""Every method with its backbone in channels last, and in bfloat16.

On the CPU, with a batch of the embedded data set as the method's own loader
gives it, through the whole model: whatever assumes maps in the usual order
of memory would fail or give another loss.
"""

import copy
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from mmgl.config.loading import load_config
from mmgl.engine import AutocastOptimWrapper
from mmgl.engine.hooks import BackboneAutocastHook, ChannelsLastHook
from mmgl.registry import MODELS
from mmgl.utils.compat import registry_scope
from mmgl.utils.paths import config_dir

LEAVES = [
    *(
        f'finetune/{name}_r18-narrow_synthetic'
        for name in (
            'one-stream',
            'agw',
            'ddag',
            'nfs',
            'caj',
            'mutual-info',
            'mpanet',
            'deen',
        )
    ),
    *(
        f'pretrain/mmgl_{name}_r18-narrow_synthetic'
        for name in ('one-stream', 'two-stream', 'agw')
    ),
    *(
        f'ssl/{name}_two-stream_r18-narrow_synthetic'
        for name in (
            'colorization',
            'jigsaw',
            'psl',
            'simclr',
            'swav',
            'byol',
            'simsiam',
            'barlow-twins',
        )
    ),
]
RIVALS = ('simclr', 'swav', 'byol', 'simsiam', 'barlow-twins')


def narrow(cfg):
    """Few images, and a network of few channels where widths follow."""
    loader, images = cfg.train_dataloader, 8
    if 'num_ids' in loader.sampler:
        loader.sampler.update(num_ids=2, num_instances=2)
    else:
        # Behind the batch norm of the parts fewer are mostly noise.
        images = 16 if 'part' in cfg.model.get('heads', {}) else 8
        loader.sampler.update(
            batch_size=images, num_pairs_per_epoch=images // 2
        )
    loader.update(
        batch_size=images,
        num_workers=0,
        persistent_workers=False,
        pin_memory=False,
    )
    network = cfg.model.backbone
    if 'network' not in network or 'heads' in cfg.model:
        # DEEN has a quarter of the channels in its branches.
        width = 16 if 'Multistage' in str(network.get('plugins')) else 8
        network.get('network', network)['base_channels'] = width
    return cfg


@pytest.fixture(params=LEAVES)
def case(request, tiny_sysu):
    """A model in training mode, and a batch for it."""
    cfg = narrow(load_config(config_dir() / f'mmgl/{request.param}.py'))
    cfg.train_dataloader.dataset['data_root'] = tiny_sysu
    cfg.model.pop('init_from', None)
    MessageHub.get_current_instance().update_info('max_iters', 10)
    torch.manual_seed(0)
    with registry_scope():
        model = MODELS.build(cfg.model).train()
        # Which numbers are dropped goes by their order in memory.
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    name = request.param.split('/')[1].split('_')[0]
    return SimpleNamespace(name=name, model=model, batch=next(iter(loader)))


def prepare(model):
    """What the hook does at the start of a training."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OptimWrapper(optimizer)
    ChannelsLastHook().before_train(
        SimpleNamespace(model=model, optim_wrapper=wrapper)
    )


def step(model, batch):
    """Loss and gradients of a step with fixed randomness."""
    torch.manual_seed(1)
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    return loss.item(), {
        name: p.grad
        for name, p in model.named_parameters()
        if p.grad is not None
    }


def is_reordered(weight):
    return weight.is_contiguous(memory_format=torch.channels_last)


class Orders(TorchDispatchMode):
    """Counts norms and poolings, and those with a map in another order."""

    def __init__(self):
        super().__init__()
        self.seen, self.mixed = Counter(), Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        maps = [x for x in args if isinstance(x, torch.Tensor) and x.ndim == 4]
        if any(word in str(func) for word in ('batch_norm', '_pool2d')):
            self.seen[str(func)] += 1
            self.mixed[str(func)] += len({is_reordered(x) for x in maps}) > 1
        return func(*args, **(kwargs or {}))


def distance(grads, others):
    """Norm of the difference of all gradients, relative to their norm."""
    assert grads.keys() == others.keys()
    pairs = [(one, others[name]) for name, one in grads.items()]
    difference = sum((a - b).double().square().sum() for a, b in pairs)
    return (
        (difference / sum(a.double().square().sum() for a, _ in pairs))
        .sqrt()
        .item()
    )


def wake(model):
    """Let non-local blocks, which start as nothing, take part."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d) and not part.weight.any():
            torch.nn.init.constant_(part.weight, 0.5)


def in_fp64(backbone):
    """Let a backbone work exactly, between a model's own fp32 parts."""
    backbone.double()
    backbone.register_forward_pre_hook(
        lambda module, args: (args[0].double(), *args[1:])
    )
    backbone.register_forward_hook(
        lambda module, args, maps: tree_map(torch.Tensor.float, maps)
    )


def test_channels_last_is_the_same(case):
    wake(case.model)
    plain, other = case.model, copy.deepcopy(case.model)
    prepare(other)
    seen = []
    for module in other.backbone.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert is_reordered(module.weight)
            module.register_forward_hook(
                lambda m, x, y: seen.append(is_reordered(y))
            )
    loss, grads = step(plain, case.batch)
    other_loss, other_grads = step(other, case.batch)
    assert seen and all(seen)
    assert other_loss == pytest.approx(loss, rel=1e-5, abs=1e-6)
    assert distance(grads, other_grads) < 0.02


def test_norms_and_pools_meet_one_order(case):
    """In another order than the map a gradient takes them up to 10 times."""
    wake(case.model)
    prepare(case.model)
    with Orders() as orders:
        step(case.model, case.batch)
    assert orders.seen['aten.native_batch_norm_backward.default']
    assert not orders.mixed.total()


def test_gradients_of_channels_last(case):
    """In fp64, where no rounding decides what a ReLU lets through."""
    wake(case.model)
    plain, other = case.model, copy.deepcopy(case.model)
    prepare(other)
    for model in (plain, other):
        for module in model.modules():
            # PSL calls parts of its backbone; they are equal in fp32, too.
            if type(module) is type(model.backbone) and case.name != 'psl':
                in_fp64(module)
    _, grads = step(plain, case.batch)
    _, other_grads = step(other, case.batch)
    assert distance(grads, other_grads) < 1e-5


def test_bfloat16_is_close(case):
    other = copy.deepcopy(case.model)
    prepare(other)
    if case.name in RIVALS:
        BackboneAutocastHook().before_train(SimpleNamespace(model=other))
    wrapper = AutocastOptimWrapper(
        optimizer=torch.optim.SGD(other.parameters(), lr=0.1)
    )
    loss, grads = step(case.model, case.batch)
    with wrapper.optim_context(other):
        other_loss, other_grads = step(other, case.batch)
    assert other_loss == pytest.approx(loss, rel=0.05, abs=0.02)
    # Few images and channels: much noise, but the same direction.
    assert distance(grads, other_grads) < 0.9
    assert all(
        g.dtype == torch.float32 and g.isfinite().all()
        for g in other_grads.values()
    )

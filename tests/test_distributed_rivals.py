"""The contrastive rivals on several processes against one.

Forks some processes a test; each builds a small network in half a second.
"""

from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from distributed_parts import (
    check_same_step,
    mean_step,
    step_on_ranks,
    without_chance,
)
from forked_ranks import run_ranks
from mmengine.registry import DefaultScope
from mmpretrain.models.losses.swav_loss import SwAVLoss, distributed_sinkhorn
from ssl_parts import METHODS
from test_ssl_methods import batch, build
from torch.nn.parallel import DistributedDataParallel

from mmgl.engine.hooks import SwAVQueueHook
from mmgl.models.functional.transport import balanced_assignment
from mmgl.models.losses import GlobalSwAVLoss

WORLD = 2
MODALITY = (0, 1, 1, 0, 1, 0, 0, 1)
# What mmpretrain has in the place of this package's part.
UPSTREAM = {
    'simclr': {'model.head.type': 'mmpretrain.ContrastiveHead'},
    'barlow-twins': {
        'model.head.type': 'mmpretrain.LatentCrossCorrelationHead'
    },
}


def step(rank, world, method, options=None):
    """A step on this rank's share of the batch."""
    DefaultScope.get_instance('mmgl', scope_name='mmgl')
    model = without_chance(build(method, options))
    data = model.data_preprocessor(batch(method, MODALITY), training=True)
    size = len(MODALITY) // world
    share = slice(rank * size, (rank + 1) * size)
    data = dict(
        inputs=[view[share] for view in data['inputs']],
        data_samples=data['data_samples'][share],
    )
    return mean_step(model, data, world)


@pytest.mark.parametrize('world', [2, 4])
@pytest.mark.parametrize('method', METHODS)
def test_same_loss_and_gradient_as_one_process(method, world, tmp_path):
    check_same_step(
        step(0, 1, method), step_on_ranks(tmp_path, world, step, method)
    )


@pytest.mark.parametrize('method', list(UPSTREAM))
def test_gradient_of_mmpretrain_is_that_of_a_share(method, tmp_path):
    """Once this fails, the heads of this package are not needed any more."""
    check_same_step(
        step(0, 1, method),
        step_on_ranks(tmp_path, WORLD, step, method, UPSTREAM[method]),
        factor=WORLD,
    )


# -------------------------------------------------------- assignments of SwAV
def scores(rows=12, columns=5):
    generator = torch.Generator().manual_seed(0)
    # Rows of the first half prefer other columns than the others.
    return torch.randn(rows, columns, generator=generator) / 5 + torch.where(
        torch.arange(rows)[:, None] < rows // 2,
        torch.arange(columns) / 20,
        -torch.arange(columns) / 20,
    )


def test_assignments_on_one_process_are_those_of_mmpretrain():
    for rounds in (1, 3, 10):
        torch.testing.assert_close(
            balanced_assignment(scores(), 0.05, rounds),
            distributed_sinkhorn(scores(), rounds, 1, 0.05),
        )


def test_assignments_are_balanced():
    shares = balanced_assignment(scores(), 0.05, 100)
    assert shares.sum(dim=1) == pytest.approx(torch.ones(12), abs=1e-5)
    assert shares.sum(dim=0) == pytest.approx(
        torch.full((5,), 12 / 5), abs=1e-3
    )


def share_out(rank, world):
    size = 12 // world
    own = scores()[rank * size : (rank + 1) * size]
    return balanced_assignment(own, 0.05, 3).tolist()


@pytest.mark.parametrize('world', [2, 4])
def test_assignments_of_all_ranks_are_those_of_one(world, tmp_path):
    whole = balanced_assignment(scores(), 0.05, 3)
    parts = run_ranks(tmp_path, share_out, world, world=world)
    together = torch.tensor(sum(parts, []))
    torch.testing.assert_close(together, whole)
    # Each rank by itself comes to something else.
    alone = balanced_assignment(scores()[: 12 // world], 0.05, 3)
    assert (alone - whole[: 12 // world]).abs().max() > 0.05


def test_loss_and_queue_of_swav_are_those_of_mmpretrain():
    torch.manual_seed(0)
    options = dict(feat_dim=6, num_prototypes=7, num_crops=[2, 3])
    ours, theirs = GlobalSwAVLoss(**options), SwAVLoss(**options)
    theirs.load_state_dict(ours.state_dict())
    for loss in (ours, theirs):
        # Full after two of the batches below.
        loss.queue = torch.zeros(2, 8, 6)
    for _ in range(4):
        x = torch.nn.functional.normalize(torch.randn(4 * 5, 6), dim=1)
        values = [loss(x) for loss in (ours, theirs)]
        grads = [
            torch.autograd.grad(value, loss.prototypes.weight)[0]
            for value, loss in zip(values, (ours, theirs), strict=True)
        ]
        torch.testing.assert_close(*values)
        torch.testing.assert_close(*grads)
        assert torch.equal(ours.queue, theirs.queue)
        assert ours.use_queue == theirs.use_queue
    assert ours.use_queue


# ------------------------------------------------------------ queue of SwAV
CROPS, BATCH, DIMS, STEPS = (2, 3), 6, 5, 5


def crops_of(step, rank=0, world=1):
    """Projections of a rank's share of a global batch, crop after crop."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(sum(CROPS), BATCH, DIMS, generator=generator)
    size = BATCH // world
    x = x[:, rank * size : (rank + 1) * size].flatten(0, 1)
    return torch.nn.functional.normalize(x, dim=1)


def train_with_queue(rank, world, work_dir, asked):
    """Mean loss and gradient, and the rank's queue, after each step."""
    torch.manual_seed(0)
    loss = GlobalSwAVLoss(DIMS, num_crops=list(CROPS), num_prototypes=4)
    model = torch.nn.Module()
    model.head = SimpleNamespace(loss_module=loss)
    runner = SimpleNamespace(
        model=model, work_dir=work_dir, world_size=world, epoch=0
    )
    hook = SwAVQueueHook(BATCH // world, 0, feat_dim=DIMS, queue_length=asked)
    hook.before_run(runner)
    hook.before_train_epoch(runner)
    found = []
    for step in range(STEPS):
        value = loss(crops_of(step, rank, world))
        (grad,) = torch.autograd.grad(value, loss.prototypes.weight)
        mean = torch.cat([value.detach()[None], grad.flatten()])
        if world > 1:
            dist.all_reduce(mean)
        found.append(
            dict(
                mean=(mean / world).tolist(),
                used=bool(loss.use_queue),
                queue=None if loss.queue is None else loss.queue.tolist(),
            )
        )
    return found


def test_queues_of_two_processes_are_that_of_one(tmp_path):
    # Two batches fit in 13 places.
    whole = train_with_queue(0, 1, str(tmp_path), 13)
    parts = run_ranks(
        tmp_path, train_with_queue, WORLD, str(tmp_path), 13, world=WORLD
    )
    size = BATCH // WORLD
    for step, one in enumerate(whole):
        # Full after two steps.
        assert one['used'] == (step >= 2)
        for rank, part in enumerate(parts):
            assert part[step]['used'] == one['used']
            assert part[step]['mean'] == pytest.approx(
                one['mean'], rel=1e-6, abs=1e-6
            )
            own = torch.tensor(part[step]['queue'])
            assert own.shape == (2, 2 * size, DIMS)
            # Its own rows of the last two batches, the newest first.
            for age in range(min(step + 1, 2)):
                past = crops_of(step - age, rank, WORLD)
                for crop in range(2):
                    torch.testing.assert_close(
                        own[crop, age * size :][:size],
                        past[crop * size :][:size],
                    )
    # It matters: other losses without a queue, as soon as it is full.
    without = train_with_queue(0, 1, str(tmp_path), 0)
    for step, (one, other) in enumerate(zip(whole, without, strict=True)):
        assert other['queue'] is None
        assert (abs(one['mean'][0] - other['mean'][0]) > 1e-3) == (step >= 2)


def queue_hook(monkeypatch, world, length):
    for module in (
        'mmpretrain.engine.hooks.swav_hook',
        'mmgl.engine.hooks.swav_queue',
    ):
        monkeypatch.setattr(f'{module}.get_world_size', lambda: world)
    return SwAVQueueHook(96, queue_length=length, feat_dim=DIMS)


def test_queue_of_swav_is_never_lost_silently(tmp_path, monkeypatch):
    loss = SimpleNamespace()
    runner = SimpleNamespace(
        work_dir=str(tmp_path),
        model=SimpleNamespace(head=SimpleNamespace(loss_module=loss)),
    )
    with pytest.raises(
        ValueError,
        match='1920 is shorter than the 2016 images .* 21 processes',
    ):
        queue_hook(monkeypatch, 21, 1920).before_run(runner)
    for world, length, kept in (
        (21, 0, 0),
        (20, 1920, 1920),
        (3, 1920, 1728),
        (1, 1920, 1920),
    ):
        hook = queue_hook(monkeypatch, world, length)
        hook.before_run(runner)
        assert hook.queue_length == kept
    # What one process left is not a half of that of two.
    torch.save(dict(queue=torch.zeros(2, 1920, DIMS)), tmp_path / 'queue.pth')
    queue_hook(monkeypatch, 1, 1920).before_run(runner)
    assert loss.queue.shape[1] == 1920
    with pytest.raises(ValueError, match='queue of 1920 .* keeps 960'):
        queue_hook(monkeypatch, 2, 1920).before_run(runner)


# ------------------------------------------------------------- copy of BYOL
def target_of_byol(rank):
    """Whether all ranks hold the same target after steps of their own."""
    DefaultScope.get_instance('mmgl', scope_name='mmgl')
    model = build('byol')
    with torch.no_grad():  # as if each rank had a seed of its own
        for parameter in model.parameters():
            parameter.add_(rank * torch.rand_like(parameter))
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], 0.05
    )
    modality = MODALITY[4 * rank : 4 * rank + 4]
    data = model.data_preprocessor(batch('byol', modality), training=True)
    for view in data['inputs']:
        view[:, :3] += rank  # the fourth channel is the modality
    start = [p.clone() for p in model.target_net.parameters()]
    for _ in range(3):
        optimizer.zero_grad()
        wrapped(**data, mode='loss')['loss'].backward()
        optimizer.step()
    same, moved = True, False
    for before, parameter in zip(
        start, model.target_net.parameters(), strict=True
    ):
        parts = [torch.empty_like(parameter) for _ in range(WORLD)]
        dist.all_gather(parts, parameter.data)
        same = same and torch.equal(*parts)
        moved = moved or not torch.equal(before, parameter)
    return [same, moved]


def test_target_of_byol_is_one_on_all_ranks(tmp_path):
    assert run_ranks(tmp_path, target_of_byol) == [[True, True]] * 2

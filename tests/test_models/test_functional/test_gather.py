import gc

import pytest
import torch
import torch.distributed as dist
from forked_ranks import run_ranks

from mmgl.models.functional import gather
from mmgl.models.functional.gather import (
    all_gather_labelled,
    all_gather_no_grad,
    all_gather_with_grad,
    host_group,
)


def _gather(rank):
    x = torch.full((2, 3), float(rank), requires_grad=True)
    gathered = all_gather_with_grad(x)
    # Rank r weighs row k with (r + 1) * (k + 1).
    weight = (rank + 1) * torch.arange(1.0, 5.0)
    (gathered.sum(1) * weight).sum().backward()
    labels = all_gather_no_grad(torch.tensor([rank, 10 + rank]))
    return gathered.tolist(), x.grad.tolist(), labels.tolist()


def test_order_and_gradient(tmp_path):
    first, second = run_ranks(tmp_path, _gather)
    assert first[0] == second[0] == [[0.0] * 3] * 2 + [[1.0] * 3] * 2
    assert first[1] == [[3.0] * 3, [6.0] * 3]
    assert second[1] == [[9.0] * 3, [12.0] * 3]
    assert first[2] == second[2] == [0, 10, 1, 11]


LABELS = (
    torch.arange(6) - 2**40,
    torch.arange(6) % 2 == 0,
    torch.arange(12, dtype=torch.float64).view(6, 2).sqrt(),
    torch.arange(6, dtype=torch.uint8),
    torch.arange(36).view(6, 2, 3).bfloat16(),
)


def _labelled(rank, rows):
    x = torch.arange(6.0 * 4).view(6, 2, 2).sin()
    own = slice(rank * rows, (rank + 1) * rows)
    part = x[own].clone().requires_grad_()
    gathered, *labels = all_gather_labelled(
        part, *(label[own] for label in LABELS)
    )
    whole = rows * dist.get_world_size()
    good = [torch.equal(gathered, x[:whole])] + [
        label.dtype == want.dtype
        and torch.equal(label, want[:whole])
        and not label.requires_grad
        for label, want in zip(labels, LABELS, strict=True)
    ]
    # The gradient must be summed, and what is handed on stays as it is.
    doubled = gathered * 2
    doubled.retain_grad()
    ((rank + 1) * doubled.sum()).backward()
    return good, part.grad.tolist(), doubled.grad.unique().tolist()


@pytest.mark.parametrize('world, rows', [(2, 3), (3, 2), (2, 1)])
def test_labels_of_all_types_travel_along(tmp_path, world, rows):
    total = sum(range(1, world + 1))
    for rank, (good, grad, unchanged) in enumerate(
        run_ranks(tmp_path, _labelled, rows, world=world)
    ):
        assert all(good)
        assert grad == [[[2.0 * total] * 2] * 2] * rows
        assert unchanged == [rank + 1.0]


def test_one_process_gets_its_own():
    x = torch.ones(2, 3, requires_grad=True)
    labels = torch.arange(2)
    whole, same = all_gather_labelled(x, labels)
    assert whole is x and torch.equal(same, labels)
    assert all_gather_with_grad(x) is x
    assert not all_gather_no_grad(x).requires_grad


def _unequal(rank, shapes):
    try:
        all_gather_labelled(*(torch.zeros(s) for s in shapes[rank]))
    except ValueError as error:
        return {'error': str(error)}
    return {'error': ''}


@pytest.mark.parametrize(
    'shapes',
    [
        [[(2, 3)], [(3, 3)]],
        [[(2, 3, 4)], [(2, 4, 3)]],
        [[(2, 3)], [(2, 3, 1)]],
        [[(2, 3), (2,)], [(2, 3), (2, 1)]],
    ],
)
def test_unequal_shapes_raise_on_every_rank(tmp_path, shapes):
    for rank, result in enumerate(run_ranks(tmp_path, _unequal, shapes)):
        assert 'same shape on every rank' in result['error']
        assert str(shapes[rank]) in result['error']


def _host_groups(rank, store):
    """As on GPUs: the default group does not call itself one of gloo."""
    assert host_group() is dist.group.WORLD
    made = []
    new_group, backend = dist.new_group, dist.get_backend

    def count(*args, **kwargs):
        made.append(kwargs)
        return new_group(*args, **kwargs)

    dist.new_group = count
    dist.get_backend = lambda group=None: 'nccl'
    numbers = []
    for life in range(2):
        for _ in range(3):
            gathered = all_gather_no_grad(torch.tensor([rank]))
            assert gathered.tolist() == [0, 1]
        assert backend(host_group()) == 'gloo'
        assert host_group() is not dist.group.WORLD
        numbers.append(len(made))
        dist.barrier()
        dist.destroy_process_group()
        gc.collect()
        dist.init_process_group(
            'gloo',
            init_method=f'file://{store}_{life}',
            rank=rank,
            world_size=2,
        )
    dist.get_backend = backend
    return numbers, made


def test_hosts_have_one_group_for_each_default_group(tmp_path):
    for numbers, made in run_ranks(tmp_path, _host_groups, tmp_path / 'next'):
        assert numbers == [1, 2]
        assert made == [dict(backend='gloo')] * 2


def _devices(rank):
    """Devices of the messages whose content the host reads."""
    all_reduce, seen = dist.all_reduce, []

    def watch(tensor, *args, **kwargs):
        seen.append((tensor.device.type, kwargs.get('group') is not None))
        return all_reduce(tensor, *args, **kwargs)

    dist.all_reduce = watch
    all_gather_no_grad(torch.zeros(2, 3))
    return seen


def test_shapes_stay_on_the_host(tmp_path):
    for seen in run_ranks(tmp_path, _devices):
        assert seen == [('cpu', True)]


@pytest.mark.parametrize(
    'device',
    [
        'cpu',
        pytest.param(
            'cuda',
            marks=pytest.mark.skipif(
                not torch.cuda.is_available(), reason='needs a GPU'
            ),
        ),
    ],
)
def test_nothing_waits_for_the_device(device, monkeypatch):
    """As one of two ranks, of which the other does not exist."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group('fake', rank=0, world_size=2, store=FakeStore())
    monkeypatch.setattr(gather, 'host_group', lambda: dist.group.WORLD)
    x = torch.ones(4, 3, device=device, requires_grad=True)
    labels = torch.arange(4).to(device)
    try:
        if device == 'cuda':
            torch.cuda.set_sync_debug_mode('error')
        whole, ids = all_gather_labelled(x, labels)
        gather.rank_mean(whole).sum().backward()
    finally:
        if device == 'cuda':
            torch.cuda.set_sync_debug_mode('default')
        dist.destroy_process_group()
    assert whole.shape == (8, 3) and ids.shape == (8,)
    assert x.grad.shape == (4, 3)

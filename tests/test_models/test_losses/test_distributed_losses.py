"""Two processes must train as one on the same global batch."""

import multiprocessing as mp
import traceback

import pytest
import torch
import torch.distributed as dist

from mmgl.models.functional.gather import (
    all_gather_no_grad,
    all_gather_with_grad,
)
from mmgl.models.losses import (
    BatchHardTripletLoss,
    WeightedRegularizedTripletLoss,
)

WORLD = 2


def _entry(function, rank, store, out, args):
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            'gloo', init_method=f'file://{store}', rank=rank,
            world_size=WORLD)
        result = function(rank, *args)
        dist.destroy_process_group()
    except Exception:
        result = traceback.format_exc()
    out.put((rank, result))


def run_ranks(tmp_path, function, *args):
    """Run ``function(rank, *args)`` in forked processes (cheap: no import)."""
    context = mp.get_context('fork')
    out = context.Queue()
    procs = [
        context.Process(
            target=_entry, args=(function, rank, tmp_path / 'store', out,
                                 args)) for rank in range(WORLD)
    ]
    for proc in procs:
        proc.start()
    try:
        results = dict(out.get(timeout=60) for _ in procs)
    finally:
        for proc in procs:
            proc.join(timeout=10)
            proc.kill()
    for result in results.values():
        assert not isinstance(result, str), result
    return [results[rank] for rank in range(WORLD)]


def _loss_and_gradient(rank, loss, x, pids, weight):
    weight = weight.clone().requires_grad_()
    part = slice(rank * len(x) // WORLD, (rank + 1) * len(x) // WORLD)
    value = loss(x[part] @ weight, pids[part])
    value.backward()
    mean = torch.stack([value.detach(), ])
    dist.all_reduce(mean)
    dist.all_reduce(weight.grad)  # what DDP does, with the division below
    return (mean / WORLD).tolist(), (weight.grad / WORLD).tolist()


@pytest.mark.parametrize('loss', [
    WeightedRegularizedTripletLoss(),
    WeightedRegularizedTripletLoss(legacy_eps=1e-6),
    BatchHardTripletLoss()
])
def test_loss_and_gradient_equal_one_process(tmp_path, loss):
    # Identities 0..3 cross the border between the ranks.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 5, generator=generator)
    weight = torch.randn(5, 6, generator=generator)
    pids = torch.arange(16) % 4
    single = weight.clone().requires_grad_()
    want = loss(x @ single, pids)
    want.backward()
    for value, grad in run_ranks(tmp_path, _loss_and_gradient, loss, x, pids,
                                 weight):
        assert value[0] == pytest.approx(want.item(), abs=1e-6)
        torch.testing.assert_close(
            torch.tensor(grad), single.grad, rtol=1e-5, atol=1e-5)
    # Without the exchange the ranks would see other negatives.
    half = (loss(x[:8] @ weight, pids[:8]) + loss(x[8:] @ weight, pids[8:]))
    assert abs(half.item() / 2 - want.item()) > 1e-3


def _gather(rank):
    x = torch.full((2, 3), float(rank), requires_grad=True)
    gathered = all_gather_with_grad(x)
    # Rank r weighs row k with (r + 1) * (k + 1).
    weight = (rank + 1) * torch.arange(1., 5.)
    (gathered.sum(1) * weight).sum().backward()
    labels = all_gather_no_grad(torch.tensor([rank, 10 + rank]))
    return gathered.tolist(), x.grad.tolist(), labels.tolist()


def test_gather_order_and_gradient(tmp_path):
    first, second = run_ranks(tmp_path, _gather)
    assert first[0] == second[0] == [[0.] * 3] * 2 + [[1.] * 3] * 2
    assert first[1] == [[3.] * 3, [6.] * 3]
    assert second[1] == [[9.] * 3, [12.] * 3]
    assert first[2] == second[2] == [0, 10, 1, 11]


def _unequal(rank):
    try:
        all_gather_no_grad(torch.zeros(2 + rank, 3))
    except ValueError as error:
        return {'error': str(error)}
    return {'error': ''}


def test_unequal_sizes_raise_on_every_rank(tmp_path):
    for result in run_ranks(tmp_path, _unequal):
        assert 'same shape on every rank' in result['error']

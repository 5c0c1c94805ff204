"""Which images of the shards each worker of each rank reads."""

import pickle
from collections import Counter

import pytest

pytest.importorskip('webdataset')

from streaming import epoch, loader

from mmgl.datasets.shards import ShardList
from mmgl.datasets.streamed_pairs import StreamPlan


def simulate(counts, batch_size, world_size, workers, epochs, pairs):
    """Every image that all workers of all ranks read, by (shard, number)."""
    shards = ShardList([f's{n}' for n in range(len(counts))], counts)
    wanted = pairs or len(shards)
    iters = -(-wanted // (world_size * batch_size // 2))
    read = Counter()
    lengths = []
    for number in range(epochs):
        for rank in range(world_size):
            plan = StreamPlan(batch_size, iters, rank, world_size)
            for worker in range(max(workers, 1)):
                first, last = plan.share(number, worker, max(workers, 1))
                got = 0
                for url, start, stop, count in shards.segments(
                    (1,), 'test', first, last
                ):
                    assert 0 <= start < stop <= count
                    read.update((url, n) for n in range(start, stop))
                    got += stop - start
                assert got == last - first
                lengths.append(got // (batch_size // 2))
    return read, lengths, iters


@pytest.mark.parametrize('world_size', [1, 2, 4])
@pytest.mark.parametrize('workers', [0, 1, 2, 3])
def test_each_image_once_an_epoch(world_size, workers):
    # 96 images, epochs of 96 pairs; fewer shards than workers, unequal ones.
    for counts in ([96], [1, 50, 45], [8] * 12, [17, 2, 60, 9, 8]):
        read, lengths, iters = simulate(
            counts, 8, world_size, workers, 1, None
        )
        assert len(read) == 96 and set(read.values()) == {1}
        assert sum(lengths) == iters * world_size


@pytest.mark.parametrize('world_size', [1, 2, 4])
@pytest.mark.parametrize('workers', [0, 2])
def test_each_image_once_a_pass_whatever_the_epoch(world_size, workers):
    # 7 epochs of 40 pairs are 4 passes over 70 images: no image is lost at
    # the end of an epoch or read twice.
    read, _, _ = simulate(
        [20, 33, 17], 10 if world_size == 1 else 20, world_size, workers, 7, 40
    )
    assert len(read) == 70 and set(read.values()) == {4}


def test_ranks_may_change_between_epochs():
    # The same global batch on one, two and four ranks, epoch by epoch.
    shards = ShardList(list('abc'), [20, 33, 11])
    read = Counter()
    for number, (world_size, batch_size, workers) in enumerate(
        [(1, 16, 1), (2, 8, 3), (4, 4, 2), (1, 16, 2)]
    ):
        for rank in range(world_size):
            plan = StreamPlan(batch_size, 2, rank, world_size)
            for worker in range(workers):
                share = plan.share(number, worker, workers)
                for url, start, stop, _ in shards.segments((1,), 'x', *share):
                    read.update((url, n) for n in range(start, stop))
    assert len(read) == 64 and set(read.values()) == {1}


def test_shares_follow_the_batches_of_the_loader():
    # The loader gives worker w the batches w, w + workers, ...
    plan = StreamPlan(batch_size=6, num_iters=7, rank=1, world_size=2)
    sizes = [plan.share(0, w, 3) for w in range(3)]
    assert sizes == [(21, 30), (30, 36), (36, 42)]
    assert plan.share(1, 0, 1) == (63, 84)


def test_passes_have_orders_of_their_own():
    shards = ShardList(list('abcdefgh'), [3] * 8)

    def order(seed, number):
        return ''.join(
            s.url
            for s in shards.segments(
                (seed,), 'x', 24 * number, 24 * number + 24
            )
        )

    orders = {order(seed, number) for seed in (0, 1) for number in range(4)}
    assert len(orders) == 8
    assert all(sorted(o) == list('abcdefgh') for o in orders)


@pytest.mark.parametrize('world_size', [1, 2, 4])
@pytest.mark.parametrize('workers', [0, 2])
def test_real_shards_each_image_once(shards, world_size, workers):
    """Forks up to eight workers."""
    everything = Counter()
    pairs, keys = set(), set()
    for rank in range(world_size):
        batches = epoch(loader(shards, 4, workers, rank, world_size), 0)
        for batch in batches:
            assert [item['modality'] for item in batch] == [0, 1, 0, 1]
            for visible, infrared in zip(batch[::2], batch[1::2], strict=True):
                assert visible['draw'].pair == infrared['draw'].pair
            everything.update(item['path'] for item in batch)
            pairs.update(item['draw'].pair for item in batch)
            keys.update(item['draw'].position for item in batch)
    # 65 pairs, completed to whole batches of all ranks.
    total = -(-65 // (2 * world_size)) * 2 * world_size
    assert pairs == set(range(total)) and keys == set(range(2 * total))
    visible = Counter(
        {p: n for p, n in everything.items() if int(p[3]) in (1, 2, 4, 5)}
    )
    infrared = everything - visible
    assert len(visible) == 65 and len(infrared) == 30
    # The first pass, and the beginning of the next one.
    assert sum(visible.values()) == sum(infrared.values()) == total
    assert set(visible.values()) <= {1, 2}
    assert set(infrared.values()) <= {2, 3}


def test_memory_does_not_grow_with_the_images():
    few = ShardList(['a', 'b'], [10, 10])
    many = ShardList(['a', 'b'], [10**9, 10**9])
    assert len(pickle.dumps(few)) == len(pickle.dumps(many))
    plan = StreamPlan(96, 10**7, 3, 4)
    first, last = plan.share(5, 1, 2)
    [segment] = many.segments((0,), 'x', first, first + 48)
    assert segment.stop - segment.start == 48

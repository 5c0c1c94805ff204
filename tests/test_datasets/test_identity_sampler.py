"""Batches of identities."""

from collections import Counter

import numpy as np
import pytest
from sampling import Arrays, draws, global_batches, make

from mmgl.datasets.samplers import IdentitySampler
from mmgl.datasets.samplers.identity_plans import (
    IDENTITY_PLANS,
    identity_groups,
)


@pytest.mark.parametrize('world', [1, 2, 3])
def test_identity_batches(world):
    dataset = make()
    pid, modality = dataset.field('pid'), dataset.field('modality')
    num_ids, k = 4, 3
    batches = global_batches(
        IdentitySampler,
        world,
        dataset=dataset,
        num_ids=num_ids,
        num_instances=k,
    )
    assert len(batches) == 66 // (num_ids * k * world) + 1
    for batch in batches:
        rows = np.array([d.index for d in batch]).reshape(-1, 2, k)
        ids = pid[rows]
        assert (ids == ids[:, :1, :1]).all()
        assert len(set(ids[:, 0, 0])) == num_ids * world
        assert (modality[rows] == np.arange(2)[:, None]).all()
    flat = sum(batches, [])
    assert sorted(d.position for d in flat) == list(range(len(flat)))
    assert set(Counter(d.pair for d in flat).values()) == {2}
    members = {}
    for d in flat:
        members.setdefault(d.pair, []).append(d.index)
    assert all(
        pid[a] == pid[b] and modality[a] != modality[b]
        for a, b in members.values()
    )


def test_identity_draws_are_uniform():
    dataset = make()
    pid = dataset.field('pid')
    sampler = IdentitySampler(
        dataset, num_ids=4, num_instances=1, seed=0, num_iters=3000
    )
    rows = np.array([d.index for d in draws(sampler)]).reshape(-1, 2)
    # Each of 12 identities in a third of the iterations: 1000, sigma 26.
    counts = np.bincount(pid[rows[:, 0]])[1::3]
    assert np.abs(counts - 1000).max() < 4 * 26
    # The 5 or 6 visible images of an identity are equally likely.
    chosen = Counter(rows[pid[rows[:, 0]] == 1, 0].tolist())
    assert len(chosen) == 5 and min(chosen.values()) > 140


def test_identity_instances_are_drawn_with_replacement():
    dataset = make(visible=2, infrared=1)
    rows = [
        d.index
        for d in draws(
            IdentitySampler(dataset, num_ids=4, num_instances=4, seed=0)
        )
    ]
    groups = np.array(rows).reshape(-1, 4)
    assert max(len(set(g)) for g in groups.tolist()) <= 3
    assert min(len(set(g)) for g in groups.tolist()) == 1


@pytest.mark.parametrize(
    'visible, infrared, num_ids, iters',
    [(22258, 11909, 395, 696), (2060, 2060, 206, 65)],
)
def test_identity_published_epoch_lengths(visible, infrared, num_ids, iters):
    pids = np.concatenate(
        [np.arange(n) % num_ids for n in (visible, infrared)]
    )
    dataset = Arrays(pids, np.repeat([0, 1], [visible, infrared]))
    sampler = IdentitySampler(dataset, seed=0)
    assert sampler.batch_size == 64
    assert len(sampler) == iters * 64
    assert len(draws(sampler)) == iters * 64


@pytest.mark.parametrize('epoch', IDENTITY_PLANS)
def test_identity_mistakes(epoch):
    dataset = make()

    def build(dataset=dataset, **options):
        IdentitySampler(dataset, epoch=epoch, **options)

    with pytest.raises(ValueError, match='needs 15.*has 12; lower num_ids'):
        build(num_ids=5, rank=0, world_size=3)
    with pytest.raises(ValueError, match='num_instances'):
        build(num_instances=0)
    with pytest.raises(ValueError, match='num_iters'):
        build(num_iters=0)
    with pytest.raises(ValueError, match=r'no infrared.*\[2\]'):
        build(Arrays([1, 1, 2], [0, 1, 0]), num_ids=1)
    with pytest.raises(ValueError, match='rank'):
        build(rank=2, world_size=2)


def test_unknown_kind_of_epoch():
    with pytest.raises(
        ValueError, match="'iterations', 'ids', 'images', got 'pids'"
    ):
        IdentitySampler(make(), epoch='pids')


@pytest.mark.parametrize('kind', IDENTITY_PLANS.values())
@pytest.mark.parametrize('num_iters', [1, 2, 11])
def test_plans_draw_any_number_of_iterations(kind, num_iters):
    dataset = make(visible=4, infrared=2)
    pid, modality = dataset.field('pid'), dataset.field('modality')
    plan = kind(identity_groups(pid, modality), num_ids=5, num_instances=3)
    indices = plan.draw(np.random.default_rng(0), num_iters)
    assert indices.shape == (num_iters, 5, 2, 3)
    assert (modality[indices] == np.arange(2)[:, None]).all()
    assert (pid[indices] == pid[indices[:, :, :1, :1]]).all()
    assert all(len(set(row)) == 5 for row in pid[indices[:, :, 0, 0]].tolist())


def test_groups_of_identities():
    pids, modalities = np.array([7, 3, 7, 3, 3]), np.array([0, 1, 1, 0, 0])
    visible, infrared = identity_groups(pids, modalities)
    assert [a.tolist() for a in visible] == [[3, 4, 0], [0, 2], [2, 1]]
    assert [a.tolist() for a in infrared] == [[1, 2], [0, 1], [1, 1]]


@pytest.mark.parametrize('world', [1, 2, 4])
@pytest.mark.parametrize('epoch', IDENTITY_PLANS)
def test_each_rank_has_whole_identities(world, epoch):
    """P x K on every rank, and no identity on two ranks at a time."""
    dataset = make(visible=9, infrared=6)
    pid, modality = dataset.field('pid'), dataset.field('modality')
    samplers = [
        IdentitySampler(
            dataset,
            num_ids=3,
            num_instances=2,
            epoch=epoch,
            seed=0,
            rank=rank,
            world_size=world,
        )
        for rank in range(world)
    ]
    assert len({len(sampler) for sampler in samplers}) == 1
    rows = np.array(
        [[d.index for d in draws(sampler, 2)] for sampler in samplers]
    )
    rows = rows.reshape(world, samplers[0].num_iters, 3, 2, 2)
    ids = pid[rows]
    assert (ids == ids[..., :1, :1]).all()
    assert (modality[rows] == np.arange(2)[:, None]).all()
    for iteration in ids[..., 0, 0].swapaxes(0, 1):
        assert len(set(iteration.ravel().tolist())) == 3 * world

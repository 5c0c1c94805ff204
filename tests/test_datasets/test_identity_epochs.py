"""Epochs over all images, and over all identities."""

from collections import Counter

import numpy as np
import pytest
from sampling import Arrays, draws, global_batches, make, visits

from mmgl.datasets.samplers import IdentitySampler


@pytest.mark.parametrize('world, num_ids', [(1, 4), (2, 2)])
def test_balanced_batches_are_p_by_k(world, num_ids):
    dataset = make(visible=9, infrared=6)
    pid, modality = dataset.field('pid'), dataset.field('modality')
    for batch in global_batches(
        IdentitySampler,
        world,
        dataset=dataset,
        num_ids=num_ids,
        num_instances=2,
        epoch='images',
    ):
        rows = np.array([d.index for d in batch]).reshape(-1, 2, 2)
        ids = pid[rows]
        assert (ids == ids[:, :1, :1]).all()
        assert len(set(ids[:, 0, 0])) == num_ids * world
        assert (modality[rows] == np.arange(2)[:, None]).all()
        assert (
            sorted(d.pair for d in batch[:4])
            == [batch[0].pair] * 2 + [batch[1].pair] * 2
        )


def test_balanced_round_repeats_no_image():
    # 12 identities with three groups each: rounds of 12 / 4 * 3 batches, or
    # less, when an identity keeps groups that too few others can join.
    dataset = make(visible=9, infrared=6)
    sampler = IdentitySampler(
        dataset,
        epoch='images',
        num_ids=4,
        num_instances=2,
        seed=0,
        num_iters=1,
    )
    ids, turns = sampler.identities.draw_round(np.random.default_rng(0))
    assert 6 <= len(ids) <= 9
    assert len(set(zip(ids.flat, turns.flat, strict=True))) == ids.size
    sampler = IdentitySampler(
        dataset,
        epoch='images',
        num_ids=4,
        num_instances=2,
        seed=0,
        num_iters=len(ids) - 3,
    )
    assert set(visits(sampler).values()) == {1}


def test_balanced_length_is_exact_in_every_epoch():
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(20), rng.integers(4, 30, 20))
    pids = np.concatenate(
        [pids, pids[rng.random(len(pids)) < 0.6], np.arange(20)]
    )
    modalities = np.arange(len(pids)) % 2
    sampler = IdentitySampler(
        Arrays(pids, modalities),
        epoch='images',
        num_ids=4,
        num_instances=2,
        seed=1,
    )
    rounds = {
        len(sampler.identities.draw_round(np.random.default_rng(i))[0])
        for i in range(40)
    }
    assert len(rounds) > 1  # else there would be nothing to even out
    assert min(rounds) <= sampler.num_iters <= max(rounds)
    for epoch in range(8):
        assert len(draws(sampler, epoch)) == sampler.num_iters * 16
    # Neither seed nor rank plays a part in it.
    other = IdentitySampler(
        Arrays(pids, modalities),
        epoch='images',
        num_ids=4,
        num_instances=2,
        seed=5,
    )
    assert other.num_iters == sampler.num_iters


def test_balanced_goes_over_all_images():
    dataset = make(visible=9, infrared=6)
    sampler = IdentitySampler(
        dataset, epoch='images', num_ids=4, num_instances=2, seed=0
    )
    counts = visits(sampler, range(30))
    assert set(counts) == set(range(len(dataset)))
    infrared = [counts[i] for i in np.flatnonzero(dataset.field('modality'))]
    # About once an epoch; identities with 7 images leave one out each time.
    assert 15 < min(infrared) and max(infrared) <= 31


@pytest.mark.parametrize('visible, infrared', [(9, 1), (1, 9), (1, 1)])
def test_balanced_with_few_images_of_a_modality(visible, infrared):
    # Three identities, of which one has no more than one image of its own.
    pids, modalities = [], []
    for pid, counts in enumerate([(9, 9), (9, 9), (visible, infrared)]):
        for modality in (0, 1):
            pids += [pid] * counts[modality]
            modalities += [modality] * counts[modality]
    dataset = Arrays(pids, modalities)
    for num_ids in (1, 2, 3):
        sampler = IdentitySampler(
            dataset, epoch='images', num_ids=num_ids, num_instances=4, seed=0
        )
        for epoch in range(5):
            assert len(draws(sampler, epoch)) == len(sampler)
    # With three a batch the scarce identity is in the only one.
    rows = np.array([d.index for d in draws(sampler)]).reshape(-1, 2, 4)
    scarce = rows[np.array(pids)[rows[:, 0, 0]] == 2]
    assert len(scarce) == 1
    for group, count in zip(
        scarce[0].tolist(), (visible, infrared), strict=True
    ):
        # Repeated only where there are too few.
        assert len(set(group)) == (1 if count == 1 else 4)


@pytest.mark.parametrize('world, num_ids', [(1, 4), (2, 2)])
def test_each_identity_once_an_epoch(world, num_ids):
    dataset = make()
    pid, modality = dataset.field('pid'), dataset.field('modality')
    batches = global_batches(
        IdentitySampler,
        world,
        dataset=dataset,
        num_ids=num_ids,
        num_instances=2,
        epoch='ids',
    )
    seen = []
    for batch in batches:
        rows = np.array([d.index for d in batch]).reshape(-1, 2, 2)
        ids = pid[rows]
        assert (ids == ids[:, :1, :1]).all()
        assert (modality[rows] == np.arange(2)[:, None]).all()
        assert [d.pair for d in batch[:4]] == [
            batch[0].pair,
            batch[0].pair + 1,
        ] * 2
        seen += ids[:, 0, 0].tolist()
    assert len(batches) == 3
    assert sorted(seen) == sorted(set(pid.tolist()))
    assert seen != sorted(seen)


def test_epoch_over_identities_drops_the_rest():
    dataset = make()
    sampler = IdentitySampler(
        dataset, epoch='ids', num_ids=5, num_instances=1, seed=0
    )
    left_out = Counter()
    for epoch in range(60):
        rows = draws(sampler, epoch)
        ids = Counter(dataset.field('pid')[[d.index for d in rows]].tolist())
        assert len(rows) == 20 and set(ids.values()) == {2}
        left_out.update(set(dataset.field('pid').tolist()) - set(ids))
    # Two of twelve each time: never the same ones.
    assert len(left_out) == 12 and sum(left_out.values()) == 120


def test_epoch_of_several_passes():
    dataset = make()
    sampler = IdentitySampler(
        dataset, epoch='ids', num_ids=4, num_instances=1, seed=0, num_iters=7
    )
    rows = [d.index for d in draws(sampler)]
    ids = dataset.field('pid')[rows[::2]]
    first, second = ids[:12].tolist(), ids[12:24].tolist()
    assert sorted(first) == sorted(second) and first != second
    assert len(ids) == 28 and len(set(ids[24:])) == 4


def test_images_are_repeated_only_where_there_are_too_few():
    dataset = make(visible=4, infrared=2)
    pid = dataset.field('pid')
    sampler = IdentitySampler(
        dataset, epoch='ids', num_ids=4, num_instances=4, seed=0
    )
    chosen = Counter()
    for epoch in range(20):
        rows = np.array([d.index for d in draws(sampler, epoch)])
        chosen.update(rows.tolist())
        for identity, group in zip(
            pid[rows.reshape(-1, 2, 4)[:, 0, 0]],
            rows.reshape(-1, 2, 4).tolist(),
            strict=True,
        ):
            few = 2 + (identity - 1) // 3 % 2
            assert len(set(group[0])) == 4  # of 4 or 5
            assert len(set(group[1])) <= few < 4
    assert set(chosen) == set(range(len(dataset)))


@pytest.mark.parametrize(
    'num_classes, num_ids, k, iters',
    [(395, 16, 4, 24), (206, 8, 4, 25), (206, 4, 8, 51)],
)
def test_epoch_over_identities_published_lengths(
    num_classes, num_ids, k, iters
):
    pids = np.repeat(np.arange(num_classes), 20)
    dataset = Arrays(pids, np.arange(len(pids)) % 2)
    sampler = IdentitySampler(
        dataset, epoch='ids', num_ids=num_ids, num_instances=k, seed=0
    )
    assert len(draws(sampler)) == iters * num_ids * k * 2

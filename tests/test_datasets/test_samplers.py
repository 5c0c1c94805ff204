from collections import Counter

import numpy as np
import pytest

from mmgl.datasets import ReIDDataset
from mmgl.datasets.samplers import CrossModalPairSampler, IdentitySampler
from mmgl.datasets.samplers.identity_plans import (
    IDENTITY_PLANS,
    identity_groups,
)
from mmgl.registry import DATA_SAMPLERS


class Arrays(ReIDDataset):
    """A data set of given pids and modalities, without images."""

    SPLITS = ('train', )

    def __init__(self, pids, modalities, tmp_path='.'):
        self.pids, self.modalities = pids, modalities
        super().__init__(str(tmp_path), 'train')

    def read_metainfo(self):
        return {}

    def load_data_list(self):
        return [
            self.make_entry([str(i)], int(p), int(p), 1, int(m), 1)
            for i, (p, m) in enumerate(
                zip(self.pids, self.modalities, strict=True))
        ]


class NoLabels(Arrays):

    def field(self, name):
        assert name == 'modality', 'a label was read'
        return super().field(name)


def make(num_ids=12, visible=5, infrared=3, cls=Arrays, seed=0):
    """Uneven groups in mixed order."""
    rng = np.random.default_rng(seed)
    pids, modalities = [], []
    for pid in range(num_ids):
        for modality, count in ((0, visible), (1, infrared)):
            count += pid % 2
            pids += [pid * 3 + 1] * count
            modalities += [modality] * count
    order = rng.permutation(len(pids))
    return cls(np.array(pids)[order], np.array(modalities)[order])


def draws(sampler, epoch=0):
    sampler.set_epoch(epoch)
    rows = list(sampler)
    assert len(rows) == len(sampler)
    return rows


def global_batches(cls, world, **kwargs):
    """Each iteration's batch of all ranks, in the order of the ranks."""
    shares = []
    for rank in range(world):
        sampler = cls(rank=rank, world_size=world, seed=3, **kwargs)
        rows = draws(sampler, 1)
        size = sampler.batch_size
        shares.append([rows[i:i + size] for i in range(0, len(rows), size)])
    return [sum(parts, []) for parts in zip(*shares, strict=True)]


# ---- pairs ---------------------------------------------------------------


def test_pairs_alternate_and_read_no_label():
    dataset = make(cls=NoLabels)
    modality = dataset.field('modality')
    rows = draws(CrossModalPairSampler(dataset, batch_size=8, seed=0))
    assert [modality[d.index] for d in rows] == [0, 1] * (len(rows) // 2)
    assert [d.pair for d in rows] == [i // 2 for i in range(len(rows))]
    assert [d.position for d in rows] == list(range(len(rows)))


@pytest.mark.parametrize('round_up, iters', [(True, 9), (False, 8)])
def test_pairs_epoch_length_and_coverage(round_up, iters):
    # 66 visible and 42 infrared images, global batches of 8 pairs.
    dataset = make()
    modality = dataset.field('modality')
    sampler = CrossModalPairSampler(
        dataset, batch_size=16, seed=0, round_up=round_up)
    assert (sampler.num_iters, sampler.num_pairs) == (iters, iters * 8)
    rows = draws(sampler)
    assert len(rows) == iters * 16
    counts = [Counter(d.index for d in rows if modality[d.index] == m)
              for m in (0, 1)]
    if round_up:
        assert set(counts[0]) == set(np.flatnonzero(modality == 0))
        assert Counter(counts[0].values()) == {1: 60, 2: 6}
    else:
        assert Counter(counts[0].values()) == {1: 64}
    # Fresh shuffles: nobody a third time before all came twice.
    assert set(counts[1].values()) == {1, 2} and len(counts[1]) == 42


def test_pairs_number_of_pairs_override():
    sampler = CrossModalPairSampler(
        make(), batch_size=8, seed=0, num_pairs_per_epoch=150)
    assert sampler.num_pairs == 152
    counts = Counter(d.index for d in draws(sampler))
    assert max(counts.values()) == 4


def test_pairing_is_random():
    # Each of the 42 infrared partners of a visible image is equally likely.
    dataset = make()
    infrared = np.flatnonzero(dataset.field('modality') == 1)
    first = np.flatnonzero(dataset.field('modality') == 0)[0]
    sampler = CrossModalPairSampler(dataset, batch_size=2, seed=5)
    partners = Counter()
    for epoch in range(42 * 10):
        rows = draws(sampler, epoch)
        place = next(i for i, d in enumerate(rows) if d.index == first)
        partners[rows[place + 1].index] += 1
    chi2 = sum((partners[i] - 10)**2 / 10 for i in infrared)
    assert chi2 < 75  # 99.9 % point of 41 degrees of freedom is 74.7


def test_pairs_mistakes():
    dataset = make()
    with pytest.raises(ValueError, match='even'):
        CrossModalPairSampler(dataset, batch_size=7)
    with pytest.raises(ValueError, match='round_up'):
        CrossModalPairSampler(dataset, batch_size=1000, round_up=False)
    with pytest.raises(ValueError, match='num_pairs_per_epoch'):
        CrossModalPairSampler(dataset, num_pairs_per_epoch=0)
    with pytest.raises(ValueError, match='no infrared'):
        CrossModalPairSampler(Arrays([1, 2], [0, 0]))
    with pytest.raises(TypeError, match='ReIDDataset'):
        CrossModalPairSampler([1, 2])


# ---- identities ----------------------------------------------------------


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
        num_instances=k)
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
    assert all(pid[a] == pid[b] and modality[a] != modality[b]
               for a, b in members.values())


def test_identity_draws_are_uniform():
    dataset = make()
    pid = dataset.field('pid')
    sampler = IdentitySampler(
        dataset, num_ids=4, num_instances=1, seed=0, num_iters=3000)
    rows = np.array([d.index for d in draws(sampler)]).reshape(-1, 2)
    # Each of 12 identities in a third of the iterations: 1000, sigma 26.
    counts = np.bincount(pid[rows[:, 0]])[1::3]
    assert np.abs(counts - 1000).max() < 4 * 26
    # The 5 or 6 visible images of an identity are equally likely.
    chosen = Counter(rows[pid[rows[:, 0]] == 1, 0].tolist())
    assert len(chosen) == 5 and min(chosen.values()) > 140


def test_identity_instances_are_drawn_with_replacement():
    dataset = make(visible=2, infrared=1)
    rows = [d.index for d in draws(
        IdentitySampler(dataset, num_ids=4, num_instances=4, seed=0))]
    groups = np.array(rows).reshape(-1, 4)
    assert max(len(set(g)) for g in groups.tolist()) <= 3
    assert min(len(set(g)) for g in groups.tolist()) == 1


@pytest.mark.parametrize('visible, infrared, num_ids, iters', [
    (22258, 11909, 395, 696),
    (2060, 2060, 206, 65),
])
def test_identity_published_epoch_lengths(visible, infrared, num_ids, iters):
    pids = np.concatenate(
        [np.arange(n) % num_ids for n in (visible, infrared)])
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
            ValueError, match="'iterations', 'ids', 'images', got 'pids'"):
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


# ---- an epoch over the images --------------------------------------------


def visits(sampler, epochs=range(1)):
    """Times each image is drawn."""
    counts = Counter()
    for epoch in epochs:
        counts.update(d.index for d in draws(sampler, epoch))
    return counts


@pytest.mark.parametrize('world, num_ids', [(1, 4), (2, 2)])
def test_balanced_batches_are_p_by_k(world, num_ids):
    dataset = make(visible=9, infrared=6)
    pid, modality = dataset.field('pid'), dataset.field('modality')
    for batch in global_batches(
            IdentitySampler, world, dataset=dataset, num_ids=num_ids,
            num_instances=2, epoch='images'):
        rows = np.array([d.index for d in batch]).reshape(-1, 2, 2)
        ids = pid[rows]
        assert (ids == ids[:, :1, :1]).all()
        assert len(set(ids[:, 0, 0])) == num_ids * world
        assert (modality[rows] == np.arange(2)[:, None]).all()
        assert sorted(d.pair for d in batch[:4]) == [
            batch[0].pair] * 2 + [batch[1].pair] * 2


def test_balanced_round_repeats_no_image():
    # 12 identities with three groups each: rounds of 12 / 4 * 3 batches, or
    # less, when an identity keeps groups that too few others can join.
    dataset = make(visible=9, infrared=6)
    sampler = IdentitySampler(
        dataset, epoch='images',
        num_ids=4, num_instances=2, seed=0, num_iters=1)
    ids, turns = sampler.identities.draw_round(np.random.default_rng(0))
    assert 6 <= len(ids) <= 9
    assert len(set(zip(ids.flat, turns.flat, strict=True))) == ids.size
    sampler = IdentitySampler(
        dataset, epoch='images',
        num_ids=4, num_instances=2, seed=0, num_iters=len(ids) - 3)
    assert set(visits(sampler).values()) == {1}


def test_balanced_length_is_exact_in_every_epoch():
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(20), rng.integers(4, 30, 20))
    pids = np.concatenate([pids, pids[rng.random(len(pids)) < .6],
                           np.arange(20)])
    modalities = np.arange(len(pids)) % 2
    sampler = IdentitySampler(
        Arrays(pids, modalities), epoch='images',
        num_ids=4, num_instances=2, seed=1)
    rounds = {len(sampler.identities.draw_round(np.random.default_rng(i))[0])
              for i in range(40)}
    assert len(rounds) > 1  # else there would be nothing to even out
    assert min(rounds) <= sampler.num_iters <= max(rounds)
    for epoch in range(8):
        assert len(draws(sampler, epoch)) == sampler.num_iters * 16
    # Neither seed nor rank plays a part in it.
    other = IdentitySampler(
        Arrays(pids, modalities), epoch='images',
        num_ids=4, num_instances=2, seed=5)
    assert other.num_iters == sampler.num_iters


def test_balanced_goes_over_all_images():
    dataset = make(visible=9, infrared=6)
    sampler = IdentitySampler(
        dataset, epoch='images', num_ids=4, num_instances=2, seed=0)
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
            dataset, epoch='images', num_ids=num_ids, num_instances=4, seed=0)
        for epoch in range(5):
            assert len(draws(sampler, epoch)) == len(sampler)
    # With three a batch the scarce identity is in the only one.
    rows = np.array([d.index for d in draws(sampler)]).reshape(-1, 2, 4)
    scarce = rows[np.array(pids)[rows[:, 0, 0]] == 2]
    assert len(scarce) == 1
    for group, count in zip(scarce[0].tolist(), (visible, infrared),
                            strict=True):
        # Repeated only where there are too few.
        assert len(set(group)) == (1 if count == 1 else 4)


# ---- an epoch over the identities ----------------------------------------


@pytest.mark.parametrize('world, num_ids', [(1, 4), (2, 2)])
def test_each_identity_once_an_epoch(world, num_ids):
    dataset = make()
    pid, modality = dataset.field('pid'), dataset.field('modality')
    batches = global_batches(
        IdentitySampler, world, dataset=dataset, num_ids=num_ids,
        num_instances=2, epoch='ids')
    seen = []
    for batch in batches:
        rows = np.array([d.index for d in batch]).reshape(-1, 2, 2)
        ids = pid[rows]
        assert (ids == ids[:, :1, :1]).all()
        assert (modality[rows] == np.arange(2)[:, None]).all()
        assert [d.pair for d in batch[:4]] == [
            batch[0].pair, batch[0].pair + 1] * 2
        seen += ids[:, 0, 0].tolist()
    assert len(batches) == 3
    assert sorted(seen) == sorted(set(pid.tolist()))
    assert seen != sorted(seen)


def test_epoch_over_identities_drops_the_rest():
    dataset = make()
    sampler = IdentitySampler(
        dataset, epoch='ids', num_ids=5, num_instances=1, seed=0)
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
        dataset, epoch='ids', num_ids=4, num_instances=1, seed=0, num_iters=7)
    rows = [d.index for d in draws(sampler)]
    ids = dataset.field('pid')[rows[::2]]
    first, second = ids[:12].tolist(), ids[12:24].tolist()
    assert sorted(first) == sorted(second) and first != second
    assert len(ids) == 28 and len(set(ids[24:])) == 4


def test_images_are_repeated_only_where_there_are_too_few():
    dataset = make(visible=4, infrared=2)
    pid = dataset.field('pid')
    sampler = IdentitySampler(
        dataset, epoch='ids', num_ids=4, num_instances=4, seed=0)
    chosen = Counter()
    for epoch in range(20):
        rows = np.array([d.index for d in draws(sampler, epoch)])
        chosen.update(rows.tolist())
        for identity, group in zip(pid[rows.reshape(-1, 2, 4)[:, 0, 0]],
                                   rows.reshape(-1, 2, 4).tolist(),
                                   strict=True):
            few = 2 + (identity - 1) // 3 % 2
            assert len(set(group[0])) == 4  # of 4 or 5
            assert len(set(group[1])) <= few < 4
    assert set(chosen) == set(range(len(dataset)))


@pytest.mark.parametrize('num_classes, num_ids, k, iters', [
    (395, 16, 4, 24),
    (206, 8, 4, 25),
    (206, 4, 8, 51),
])
def test_epoch_over_identities_published_lengths(num_classes, num_ids, k,
                                                 iters):
    pids = np.repeat(np.arange(num_classes), 20)
    dataset = Arrays(pids, np.arange(len(pids)) % 2)
    sampler = IdentitySampler(
        dataset, epoch='ids', num_ids=num_ids, num_instances=k, seed=0)
    assert len(draws(sampler)) == iters * num_ids * k * 2


# ---- all -----------------------------------------------------------------


@pytest.mark.parametrize('world', [2, 4])
@pytest.mark.parametrize('cls, size, options', [
    (CrossModalPairSampler, 'batch_size', {}),
    (IdentitySampler, 'num_ids', {}),
    (IdentitySampler, 'num_ids', dict(epoch='images')),
    (IdentitySampler, 'num_ids', dict(epoch='ids')),
])
def test_ranks_share_the_batch_of_one_process(world, cls, size, options):
    dataset = make()
    one, several = (
        global_batches(cls, ranks, dataset=dataset, **{size: 8 // ranks},
                       **options) for ranks in (1, world))
    assert one == several
    positions = [d.position for batch in several for d in batch]
    assert sorted(positions) == list(range(len(positions)))


@pytest.mark.parametrize('world', [1, 2, 4])
@pytest.mark.parametrize('epoch', IDENTITY_PLANS)
def test_each_rank_has_whole_identities(world, epoch):
    """P x K on every rank, and no identity on two ranks at a time."""
    dataset = make(visible=9, infrared=6)
    pid, modality = dataset.field('pid'), dataset.field('modality')
    samplers = [
        IdentitySampler(dataset, num_ids=3, num_instances=2, epoch=epoch,
                        seed=0, rank=rank, world_size=world)
        for rank in range(world)
    ]
    assert len({len(sampler) for sampler in samplers}) == 1
    rows = np.array([[d.index for d in draws(sampler, 2)]
                     for sampler in samplers])
    rows = rows.reshape(world, samplers[0].num_iters, 3, 2, 2)
    ids = pid[rows]
    assert (ids == ids[..., :1, :1]).all()
    assert (modality[rows] == np.arange(2)[:, None]).all()
    for iteration in ids[..., 0, 0].swapaxes(0, 1):
        assert len(set(iteration.ravel().tolist())) == 3 * world


@pytest.mark.parametrize('world', [1, 2, 4])
@pytest.mark.parametrize('round_up', [True, False])
def test_pairs_of_all_ranks_cover_the_images(world, round_up):
    # 66 visible and 42 infrared images, global batches of 4 x world pairs.
    dataset = make()
    samplers = [
        CrossModalPairSampler(dataset, batch_size=8, seed=0, rank=rank,
                              world_size=world, round_up=round_up)
        for rank in range(world)
    ]
    iters = -(-66 // (4 * world)) if round_up else 66 // (4 * world)
    pairs = 4 * world * iters
    assert [len(sampler) for sampler in samplers] == [8 * iters] * world
    assert {sampler.num_pairs for sampler in samplers} == {pairs}
    counts = Counter(d.index for sampler in samplers for d in draws(sampler))
    assert counts.total() == 2 * pairs
    modality = dataset.field('modality')
    for number, images in ((0, 66), (1, 42)):
        seen = Counter(
            counts[i] for i in np.flatnonzero(modality == number))
        # Whole passes, and a part of the next one.
        passes, rest = divmod(pairs, images)
        assert seen == Counter(
            {passes: images - rest, passes + 1: rest} if rest else
            {passes: images})


@pytest.mark.parametrize('cls, options', [
    (CrossModalPairSampler, {}),
    (IdentitySampler, {}),
    (IdentitySampler, dict(num_ids=4, epoch='images')),
    (IdentitySampler, dict(num_ids=4, epoch='ids')),
])
def test_epochs_and_seeds_differ_and_repeat(cls, options):
    dataset = make()

    def indices(seed, epoch):
        return [d.index for d in draws(
            cls(dataset, seed=seed, **options), epoch)]

    assert indices(0, 0) == indices(0, 0)
    assert indices(0, 0) != indices(0, 1)
    assert indices(0, 0) != indices(1, 0)
    assert indices(0, 1) != indices(1, 0)


@pytest.mark.parametrize('cls, options', [
    (CrossModalPairSampler, {}),
    (IdentitySampler, {}),
    (IdentitySampler, dict(num_ids=4, epoch='images')),
    (IdentitySampler, dict(num_ids=4, epoch='ids')),
])
def test_built_from_config(cls, options):
    sampler = DATA_SAMPLERS.build(
        dict(type=cls.__name__, **options),
        default_args=dict(dataset=make(), seed=None))
    assert sampler.seed >= 0 and len(sampler) == len(list(sampler))

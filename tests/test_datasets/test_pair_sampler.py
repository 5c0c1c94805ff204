"""Cross-modal pairs."""

from collections import Counter

import numpy as np
import pytest
from sampling import Arrays, NoLabels, draws, make

from mmgl.datasets.samplers import CrossModalPairSampler, PseudoLabelSampler
from mmgl.utils.errors import ConfigError


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
        dataset, batch_size=16, seed=0, round_up=round_up
    )
    assert (sampler.num_iters, sampler.num_pairs) == (iters, iters * 8)
    rows = draws(sampler)
    assert len(rows) == iters * 16
    counts = [
        Counter(d.index for d in rows if modality[d.index] == m)
        for m in (0, 1)
    ]
    if round_up:
        assert set(counts[0]) == set(np.flatnonzero(modality == 0))
        assert Counter(counts[0].values()) == {1: 60, 2: 6}
    else:
        assert Counter(counts[0].values()) == {1: 64}
    # Fresh shuffles: nobody a third time before all came twice.
    assert set(counts[1].values()) == {1, 2} and len(counts[1]) == 42


def test_pairs_number_of_pairs_override():
    sampler = CrossModalPairSampler(
        make(), batch_size=8, seed=0, num_pairs_per_epoch=150
    )
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
    chi2 = sum((partners[i] - 10) ** 2 / 10 for i in infrared)
    assert chi2 < 75  # 99.9 % point of 41 degrees of freedom is 74.7


def test_pairs_mistakes():
    dataset = make()
    with pytest.raises(ValueError, match='even'):
        CrossModalPairSampler(dataset, batch_size=7)
    with pytest.raises(ValueError, match='round_up'):
        CrossModalPairSampler(dataset, batch_size=1000, round_up=False)
    with pytest.raises(ValueError, match='num_pairs_per_epoch'):
        CrossModalPairSampler(dataset, num_pairs_per_epoch=0)
    for cls in (CrossModalPairSampler, PseudoLabelSampler):
        words = f'{cls.__name__}: no infrared image, .* add some to the split'
        with pytest.raises(ConfigError, match=words):
            cls(Arrays([1, 2], [0, 0]))
    with pytest.raises(TypeError, match='ReIDDataset'):
        CrossModalPairSampler([1, 2])


@pytest.mark.parametrize('world', [1, 2, 4])
@pytest.mark.parametrize('round_up', [True, False])
def test_pairs_of_all_ranks_cover_the_images(world, round_up):
    # 66 visible and 42 infrared images, global batches of 4 x world pairs.
    dataset = make()
    samplers = [
        CrossModalPairSampler(
            dataset,
            batch_size=8,
            seed=0,
            rank=rank,
            world_size=world,
            round_up=round_up,
        )
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
        seen = Counter(counts[i] for i in np.flatnonzero(modality == number))
        # Whole passes, and a part of the next one.
        passes, rest = divmod(pairs, images)
        assert seen == Counter(
            {passes: images - rest, passes + 1: rest}
            if rest
            else {passes: images}
        )

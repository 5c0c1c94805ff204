"""What all samplers have in common."""

import pytest
from sampling import draws, global_batches, make

from mmgl.datasets.samplers import CrossModalPairSampler, IdentitySampler
from mmgl.registry import DATA_SAMPLERS


@pytest.mark.parametrize('world', [2, 4])
@pytest.mark.parametrize(
    'cls, size, options',
    [
        (CrossModalPairSampler, 'batch_size', {}),
        (IdentitySampler, 'num_ids', {}),
        (IdentitySampler, 'num_ids', dict(epoch='images')),
        (IdentitySampler, 'num_ids', dict(epoch='ids')),
    ],
)
def test_ranks_share_the_batch_of_one_process(world, cls, size, options):
    dataset = make()
    one, several = (
        global_batches(
            cls, ranks, dataset=dataset, **{size: 8 // ranks}, **options
        )
        for ranks in (1, world)
    )
    assert one == several
    positions = [d.position for batch in several for d in batch]
    assert sorted(positions) == list(range(len(positions)))


@pytest.mark.parametrize(
    'cls, options',
    [
        (CrossModalPairSampler, {}),
        (IdentitySampler, {}),
        (IdentitySampler, dict(num_ids=4, epoch='images')),
        (IdentitySampler, dict(num_ids=4, epoch='ids')),
    ],
)
def test_epochs_and_seeds_differ_and_repeat(cls, options):
    dataset = make()

    def indices(seed, epoch):
        return [
            d.index for d in draws(cls(dataset, seed=seed, **options), epoch)
        ]

    assert indices(0, 0) == indices(0, 0)
    assert indices(0, 0) != indices(0, 1)
    assert indices(0, 0) != indices(1, 0)
    assert indices(0, 1) != indices(1, 0)


@pytest.mark.parametrize(
    'cls, options',
    [
        (CrossModalPairSampler, {}),
        (IdentitySampler, {}),
        (IdentitySampler, dict(num_ids=4, epoch='images')),
        (IdentitySampler, dict(num_ids=4, epoch='ids')),
    ],
)
def test_built_from_config(cls, options):
    sampler = DATA_SAMPLERS.build(
        dict(type=cls.__name__, **options),
        default_args=dict(dataset=make(), seed=None),
    )
    assert sampler.seed >= 0 and len(sampler) == len(list(sampler))

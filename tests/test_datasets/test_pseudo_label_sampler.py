"""Batches of clusters; no pid is read."""

from collections import Counter

import numpy as np
import pytest
from sampling import NoLabels, draws, global_batches, make

from mmgl.datasets.samplers import PseudoLabelSampler
from mmgl.utils.errors import ConfigError


def clustered(dataset, visible=6, infrared=5):
    """Random clusters of each modality, and some images in none."""
    modality = dataset.field('modality')
    rng = np.random.default_rng(0)
    labels = np.where(
        modality == 0,
        rng.integers(0, visible, len(modality)),
        visible + rng.integers(0, infrared, len(modality)),
    )
    labels[rng.random(len(labels)) < 0.2] = -1
    return labels


def assigned(labels):
    """A sampler class that knows the clusters."""

    class Assigned(PseudoLabelSampler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.assign(labels)

    return Assigned


@pytest.mark.parametrize('world', [1, 2])
def test_batches_are_of_clusters(world):
    dataset = make(cls=NoLabels)
    modality, labels = dataset.field('modality'), clustered(dataset)
    batches = global_batches(
        assigned(labels), world, dataset=dataset, num_ids=2, num_instances=3
    )
    assert len(batches) == 66 // (2 * 3 * world) + 1
    for batch in batches:
        rows = np.array([d.index for d in batch]).reshape(-1, 2, 3)
        found = labels[rows]
        assert (found >= 0).all() and (found == found[:, :, :1]).all()
        assert (modality[rows] == np.arange(2)[:, None]).all()
        for side in (0, 1):
            assert len(set(found[:, side, 0])) == 2 * world
        assert [d.label for d in batch] == found.ravel().tolist()
    flat = sum(batches, [])
    assert sorted(d.position for d in flat) == list(range(len(flat)))
    assert len({d.pair for d in flat}) == len(flat)


def test_clusters_and_their_images_are_drawn_alike():
    dataset = make(cls=NoLabels)
    labels = clustered(dataset)
    sampler = assigned(labels)(
        dataset, num_ids=3, num_instances=1, seed=0, num_iters=2000
    )
    counts = Counter(d.label for d in draws(sampler))
    # Each of 6 visible clusters in half of 2000 iterations: sigma 22.
    assert all(abs(counts[n] - 1000) < 90 for n in range(6))
    assert all(abs(counts[n] - 1200) < 90 for n in range(6, 11))
    images = Counter(d.index for d in draws(sampler))
    assert set(images) == set(np.flatnonzero(labels >= 0).tolist())


def test_new_clusters_are_drawn_from_in_the_next_epoch():
    dataset = make(cls=NoLabels)
    labels = clustered(dataset)
    sampler = PseudoLabelSampler(dataset, num_ids=2, seed=0)
    sampler.assign(labels)
    first = draws(sampler, 0)
    assert draws(sampler, 0) == first != draws(sampler, 1)
    sampler.assign(np.where(labels < 0, -1, labels + 7))
    assert [d.label - 7 for d in draws(sampler, 0)] == [d.label for d in first]


def test_the_label_stands_for_the_pid(tiny_sysu):
    from mmgl.datasets import SYSUMM01

    steps = [dict(type='LoadImageFromFile'), dict(type='PackReIDInputs')]
    dataset = SYSUMM01(tiny_sysu, 'train', steps)
    sampler = PseudoLabelSampler(dataset, num_ids=1, num_instances=1, seed=0)
    labels = 1000 + dataset.field('modality')
    sampler.assign(labels)
    for draw in draws(sampler)[:4]:
        sample = dataset[draw]['data_samples']
        assert sample.pid == 1000 + sample.modality
    assert dataset[0]['data_samples'].pid < 1000


def test_too_few_clusters_are_named():
    dataset = make(cls=NoLabels)
    sampler = PseudoLabelSampler(dataset, num_ids=2, seed=0)
    with pytest.raises(ConfigError, match='0 clusters of visible.*Hook'):
        list(sampler)
    sampler.assign(clustered(dataset, infrared=1))
    with pytest.raises(ConfigError, match='1 clusters of infrared'):
        list(sampler)

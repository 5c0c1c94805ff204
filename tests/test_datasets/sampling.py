"""Data sets without images, and what samplers draw from them."""

from collections import Counter

import numpy as np

from mmgl.datasets import ReIDDataset


class Arrays(ReIDDataset):
    """A data set of given pids and modalities, without images."""

    SPLITS = ('train',)

    def __init__(self, pids, modalities, tmp_path='.'):
        self.pids, self.modalities = pids, modalities
        super().__init__(str(tmp_path), 'train')

    def read_metainfo(self):
        return {}

    def load_data_list(self):
        return [
            self.make_entry([str(i)], int(p), int(p), 1, int(m), 1)
            for i, (p, m) in enumerate(
                zip(self.pids, self.modalities, strict=True)
            )
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
        shares.append([rows[i : i + size] for i in range(0, len(rows), size)])
    return [sum(parts, []) for parts in zip(*shares, strict=True)]


def visits(sampler, epochs=range(1)):
    """Times each image is drawn."""
    counts = Counter()
    for epoch in epochs:
        counts.update(d.index for d in draws(sampler, epoch))
    return counts

"""Shards of a small data set, read by a loader, for tests."""

from torch.utils.data import DataLoader

from mmgl.datasets import StreamedPairs
from mmgl.datasets.samplers import StreamSampler

DECODE = [dict(type='LoadImageFromBytes')]
PACK = [
    dict(type='SharedStripeShuffle', num_stripes=6),
    dict(type='PackReIDInputs'),
]


class Keep:
    """Passes on which image came, undecoded."""

    def __call__(self, results):
        return dict(
            path=results['img_path'],
            draw=results['draw'],
            modality=results['modality'],
        )


PATHS_ONLY = (Keep(),)


def loader(
    shards,
    batch_size=4,
    workers=0,
    rank=0,
    world_size=1,
    pipeline=PATHS_ONLY,
    buffer=7,
    seed=3,
    pairs=None,
    collate=list,
):
    dataset = StreamedPairs(shards, pipeline=pipeline, shuffle_buffer=buffer)
    sampler = StreamSampler(dataset, batch_size, seed, pairs, rank, world_size)
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
    )


def epoch(data_loader, number):
    data_loader.sampler.set_epoch(number)
    return list(data_loader)


def paths(batches):
    return [[item['path'] for item in batch] for batch in batches]

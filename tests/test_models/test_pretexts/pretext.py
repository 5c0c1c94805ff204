"""Batches for the pretext tasks on single images."""

import torch

from mmgl.datasets import Draw
from mmgl.datasets.transforms import JigsawTiles, PackReIDInputs

BACKBONE = dict(type='TwoStreamResNet', depth=18, base_channels=4)
PUZZLES = {4: ((2, 2), 24), 6: ((3, 2), 100), 9: ((3, 3), 100)}


def whole_batch(pairs=3, height=96, width=48):
    """Images of alternating modality, infrared ones grey."""
    items = dict(inputs=[], data_samples=[])
    for i in range(2 * pairs):
        image = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
        image = image.numpy()
        if i % 2:
            image[...] = image[..., :1]
        item = PackReIDInputs()(sample(i, image))
        for key, value in item.items():
            items[key].append(value)
    return items


def sample(i, image):
    return dict(
        img=image,
        pid=0,
        camid=1,
        index=1,
        modality=i % 2,
        img_path='',
        sample_idx=i,
        draw=Draw(i, 0, 0, i, i // 2),
    )


def tile_batch(tiles=9, pairs=3, height=96, width=48):
    """The same in shuffled tiles."""
    grid, size = PUZZLES[tiles]
    cut = JigsawTiles(grid, num_permutations=size)
    whole = whole_batch(pairs, height, width)
    items = dict(inputs=[], data_samples=[])
    for i, image in enumerate(whole['inputs']):
        image = image.permute(1, 2, 0).numpy()
        item = PackReIDInputs()(cut(sample(i, image)))
        for key, value in item.items():
            items[key].append(value)
    return items


def reorder(batch, order):
    return {key: [value[i] for i in order] for key, value in batch.items()}

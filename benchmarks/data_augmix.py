"""AugMix by mmgl and by others, in one worker."""

import argparse

import numpy as np
from data_peers import SIZE, augmix_peers
from data_workers import in_worker

from mmgl.datasets import SYSUMM01
from mmgl.datasets.transforms import AugMix
from mmgl.utils.benchmark import Figure, alternate


def load_images(root: str, count: int) -> list[np.ndarray]:
    """Decode and resize images.

    Args:
        root: Folder of the data set.
        count: Images to take, as far as there are so many.

    Returns:
        uint8 arrays ``(288, 144, 3)``, BGR.
    """
    dataset = SYSUMM01(
        root,
        'train',
        [
            dict(type='LoadImageFromFile'),
            dict(type='PILResize', scale=SIZE[::-1], interpolation='lanczos'),
        ],
    )
    return [dataset[n]['img'] for n in range(min(count, len(dataset)))]


def augmix_functions(images: list[np.ndarray]) -> dict[str, tuple]:
    """Return variants of AugMix and how many images one call augments.

    Args:
        images: See :func:`load_images`.

    Returns:
        By name.
    """
    ours = {
        f'mmgl, {name}': AugMix(**options)
        for name, options in {
            'uint8 arrays': {},
            'uint8 arrays, nearest': dict(interpolation='nearest'),
        }.items()
    }
    functions = {
        name: (
            lambda augmix=augmix: [augmix(dict(img=i)) for i in images],
            len(images),
        )
        for name, augmix in ours.items()
    }
    rgb = [np.ascontiguousarray(image[..., ::-1]) for image in images]
    return functions | augmix_peers(rgb)


def measure_augmix(options: argparse.Namespace, root: str) -> list[Figure]:
    """Time the variants of AugMix in one worker.

    Args:
        options: Command line options.
        root: Folder of the data set.

    Returns:
        The figures.
    """
    variants = augmix_functions(load_images(root, options.augmix_images))
    seconds = in_worker(
        lambda: alternate(
            {name: function for name, (function, _) in variants.items()},
            options.repeats,
        )
    )
    rates = {
        name: size / seconds[name] for name, (_, size) in variants.items()
    }
    ours = next(iter(rates.values()))
    return [
        Figure(
            f'AugMix by {name}',
            rate,
            unit='images/s',
            note=f'mmgl {ours / rate:.1f} x',
        )
        for name, rate in rates.items()
    ]

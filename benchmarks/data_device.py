"""AugMix and erasing on an accelerator against those of a worker."""

from collections.abc import Callable

import numpy as np
import torch
from data_workers import RATE, in_worker
from kornia_augmix import KorniaAugMix, import_kornia
from meters import clock
from mmengine.config import Config
from torch import Tensor
from torchvision.transforms import v2

from mmgl.registry import TRANSFORMS
from mmgl.utils.benchmark import Figure, alternate
from mmgl.utils.compat import registry_scope

ERASING = dict(p=0.5, scale=(0.02, 0.4), ratio=(0.3, 3.33))
LIBRARIES = ('torchvision', 'kornia')


def measure_on_device(
    images: list[np.ndarray],
    cfg: Config,
    device: str,
    libraries: list[str],
    repeats: int,
) -> list[Figure]:
    """Measure the present path and the others on the same images.

    Args:
        images: uint8 arrays ``(288, 144, 3)``, BGR.
        cfg: Config with the steps ``augmix`` and ``erase``.
        device: Such as 'cuda'.
        libraries: Of ``LIBRARIES``.
        repeats: How often each is timed.

    Returns:
        Images per second of a worker's processor time, and of the device's.
    """
    # Workers are forked before this process uses the device.
    seconds = in_worker(
        lambda: alternate({'worker': worker_path(images, cfg)}, repeats)
    )['worker']
    rate = len(images) / seconds
    figures = [
        Figure(
            'AugMix + erasing by mmgl, one worker',
            rate,
            unit='images/s',
            note=f'{RATE / rate:.1f} cores for {RATE} images/s, none of the '
            'device',
        )
    ]
    batch = torch.stack(
        [
            torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())
            for image in images
        ]
    ).to(device)
    paths = device_paths(batch, libraries)
    for name, value in alternate(paths, repeats, clock(device)).items():
        rate = len(images) / value
        figures.append(
            Figure(
                f'AugMix + erasing by {name}, {device}',
                rate,
                unit='images/s',
                note=f'{1e3 * value:.1f} ms a batch of {len(images)}; '
                f'{100 * RATE / rate:.0f} % of the time of a device taking '
                f'{RATE} images/s',
            )
        )
    return figures


def worker_path(
    images: list[np.ndarray], cfg: Config
) -> Callable[[], list[dict]]:
    """Return the steps of the pre-training pipeline.

    Args:
        images: See :func:`measure_on_device`.
        cfg: See :func:`measure_on_device`.

    Returns:
        Applies them to each image.
    """
    with registry_scope():
        steps = [TRANSFORMS.build(one) for one in (*cfg.augmix, *cfg.erase)]

    def apply(image: np.ndarray) -> dict:
        results = dict(img=image.copy(), img_shape=image.shape[:2])
        for step in steps:
            results = step(results)
        return results

    return lambda: [apply(image) for image in images]


def device_paths(
    batch: Tensor, libraries: list[str]
) -> dict[str, Callable[[], Tensor]]:
    """Return the other ways, down to floats from 0 to 1.

    Args:
        batch: uint8 ``(B, 3, H, W)``, RGB, on the device.
        libraries: Of ``LIBRARIES``.

    Returns:
        By name, functions without arguments.
    """
    paths = {}
    if 'torchvision' in libraries:
        apply = v2.Compose(
            [
                v2.AugMix(all_ops=False),
                v2.RandomErasing(**ERASING),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )
        paths['torchvision v2, one batch (operations shared)'] = lambda: apply(
            batch
        )
        paths['torchvision v2, image by image'] = lambda: torch.stack(
            [apply(image) for image in batch]
        )
    if 'kornia' in libraries:
        augment = KorniaAugMix()
        erase = import_kornia().augmentation.RandomErasing(**ERASING)
        paths['kornia, one batch'] = lambda: erase(
            augment(batch.float() / 255)
        )
    return paths
